# What people read: one self-contained page, and the numbers for their own texts.
from largebatch.report.evidence import to_report

TO_REPORT = to_report(STUDY)


rule report:
    input:
        claims=f"{RESULTS}/claims.csv",
        statements=f"{RESULTS}/statements.csv",
        robustness=f"{RESULTS}/robustness.csv",
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
        ask=f"{ASKS}/report.json",
        asked=digest(TO_REPORT),
        code=code_digest("report"),
    shell:
        "largebatch report --ask {params.ask} --results $(dirname {input.claims}) --out {output} {input.beside} 2> {log}"


rule numbers:
    input:
        claims=f"{RESULTS}/claims.csv",
        statements=f"{RESULTS}/statements.csv",
    output:
        f"{RESULTS}/numbers.tex",
    log:
        f"{LOGS}/numbers.log",
    params:
        scale=STUDY.scale,
        code=code_digest("numbers"),
    shell:
        "largebatch numbers --claims {input.claims} --scale {params.scale} --out {output} 2> {log}"
