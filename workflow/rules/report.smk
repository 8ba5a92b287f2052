# One self-contained page.


rule report:
    input:
        claims=f"{RESULTS}/claims.csv",
        figures=[file for experiment in STUDY.experiments for file in figure_files(experiment)],
        tables=[file for experiment in STUDY.experiments for file in table_files(experiment)],
    output:
        f"{RESULTS}/report.html",
    log:
        f"{LOGS}/report.log",
    benchmark:
        f"{LOGS}/benchmarks/report/report.tsv"
    params:
        ask=json.dumps(STUDY.to_report()),
        code=code_digest("report"),
    shell:
        "largebatch report --ask {params.ask:q} --claims {input.claims} --figures {input.figures}"
        " --tables {input.tables} --out {output} 2> {log}"
