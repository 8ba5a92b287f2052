# Verdicts on each experiment's claims alone; then all claims in one file, with corrected p-values.


rule judge:
    input:
        f"{RESULTS}/{{experiment}}/observations.parquet",
    output:
        judged=f"{RESULTS}/{{experiment}}/judged.csv",
        provenance=f"{RESULTS}/{{experiment}}/judged.json",
    log:
        f"{LOGS}/judge/{{experiment}}.log",
    benchmark:
        f"{LOGS}/benchmarks/judge/{{experiment}}.tsv"
    priority: STUDY_FIRST
    params:
        ask=f"{ASKS}/judge/{{experiment}}.json",
        asked=lambda wildcards: digest(commands.to_judge(STUDY, wildcards.experiment, STANDINGS)),
        code=code_digest("judge"),
    shell:
        "largebatch judge --ask {params.ask} --observations {input} --judged {output.judged} 2> {log}"


rule ledger:
    input:
        [f"{RESULTS}/{experiment.name}/judged.csv" for experiment in STUDY.experiments],
    output:
        claims=report(
            f"{RESULTS}/claims.csv",
            caption="../report/claims.rst",
            category="Verdicts",
            labels={"claims": "all"},
        ),
        provenance=f"{RESULTS}/claims.json",
    log:
        f"{LOGS}/ledger.log",
    priority: STUDY_FIRST
    params:
        code=code_digest("ledger"),
    shell:
        "largebatch ledger --out {output.claims} {input} 2> {log}"


# Made only if one experiment is asked for: the correction is over its claims alone.
rule ledger_of_one:
    input:
        f"{RESULTS}/{{experiment}}/judged.csv",
    output:
        claims=f"{RESULTS}/{{experiment}}/claims.csv",
        provenance=f"{RESULTS}/{{experiment}}/claims.json",
    log:
        f"{LOGS}/ledger/{{experiment}}.log",
    priority: STUDY_FIRST
    params:
        code=code_digest("ledger"),
    shell:
        "largebatch ledger --out {output.claims} {input} 2> {log}"
