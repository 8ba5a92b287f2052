# What a person reads: one self-contained page, and the numbers for a text of their own.


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
