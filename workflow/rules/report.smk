# One self-contained page.
from largebatch.evidence import to_report
from largebatch.files import write_text


# A file, as a command line is too short for what stands behind every claim.
rule ask:
    output:
        f"{RESULTS}/report.json",
    log:
        f"{LOGS}/ask.log",
    localrule: True
    params:
        ask=lambda wildcards: json.dumps(to_report(STUDY)),
    run:
        write_text(Path(output[0]), params.ask)


rule report:
    input:
        ask=f"{RESULTS}/report.json",
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
        code=code_digest("report"),
    shell:
        "largebatch report --ask {input.ask} --claims {input.claims} --figures {input.figures}"
        " --tables {input.tables} --beside {input.beside} --out {output} 2> {log}"
