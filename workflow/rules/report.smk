# What people read: one self-contained page, and the numbers for their own texts.
from hashlib import sha256

from largebatch.report.evidence import to_report
from largebatch.files import write_json

# Written when a run starts: it is too long for a command line, and a rule that runs Python would start Snakemake once
# more.
ASK = f"{RESULTS}/report.json"


rule report:
    input:
        claims=f"{RESULTS}/claims.csv",
        figures=[file for experiment in STUDY.experiments for file in figure_files(experiment)],
        tables=[file for experiment in STUDY.experiments for file in table_files(experiment)],
        beside=published_beside(),
    output:
        f"{RESULTS}/report.html",
    log:
        f"{LOGS}/report.log",
    benchmark:
        f"{LOGS}/benchmarks/report/report.tsv"
    params:
        ask=ASK,
        asked=lambda wildcards: sha256(json.dumps(to_report(STUDY)).encode()).hexdigest(),
        code=code_digest("report"),
    shell:
        "largebatch report --ask {params.ask} --claims {input.claims} --figures {input.figures}"
        " --tables {input.tables} --beside {input.beside} --out {output} 2> {log}"


rule numbers:
    input:
        f"{RESULTS}/claims.csv",
    output:
        f"{RESULTS}/numbers.tex",
    log:
        f"{LOGS}/numbers.log",
    params:
        scale=STUDY.scale,
        code=code_digest("numbers"),
    shell:
        "largebatch numbers --claims {input} --scale {params.scale} --out {output} 2> {log}"
