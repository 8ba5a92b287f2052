# Verdicts on one experiment's claims, and all verdicts in one file.


rule judge:
    input:
        f"{RESULTS}/{{experiment}}/observations.parquet",
    output:
        f"{RESULTS}/{{experiment}}/claims.csv",
    log:
        f"{LOGS}/judge/{{experiment}}.log",
    params:
        ask=lambda wildcards: json.dumps(STUDY.experiment(wildcards.experiment).to_judge()),
        code=code_digest("judge"),
    shell:
        "largebatch judge --ask {params.ask:q} --observations {input} --claims {output} 2> {log}"


rule ledger:
    input:
        [f"{RESULTS}/{experiment.name}/claims.csv" for experiment in STUDY.experiments],
    output:
        f"{RESULTS}/claims.csv",
    log:
        f"{LOGS}/ledger.log",
    params:
        code=code_digest("judge"),
    shell:
        "largebatch ledger --claims {input} --out {output} 2> {log}"
