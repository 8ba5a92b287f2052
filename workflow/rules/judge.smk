# Verdicts on each experiment's claims alone, with p-values by other choices; then all claims in one file, with corrected
# p-values, and how far verdicts depend on those choices.


rule judge:
    input:
        f"{RESULTS}/{{experiment}}/observations.parquet",
    output:
        judged=f"{RESULTS}/{{experiment}}/judged.csv",
        provenance=f"{RESULTS}/{{experiment}}/judged.json",
        variants=f"{RESULTS}/{{experiment}}/variants.parquet",
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
        judged=[f"{RESULTS}/{experiment.name}/judged.csv" for experiment in STUDY.experiments],
        variants=[f"{RESULTS}/{experiment.name}/variants.parquet" for experiment in STUDY.experiments],
    output:
        claims=report(
            f"{RESULTS}/claims.csv",
            caption="../report/claims.rst",
            category="Verdicts",
            labels={"claims": "all"},
        ),
        provenance=f"{RESULTS}/claims.json",
        statements=f"{RESULTS}/statements.csv",
        robustness=f"{RESULTS}/robustness.csv",
        changes=f"{RESULTS}/single_changes.csv",
    log:
        f"{LOGS}/ledger.log",
    priority: STUDY_FIRST
    params:
        code=code_digest("ledger"),
    shell:
        "largebatch ledger --out {output.claims} {input.judged} 2> {log}"


# Made only if one experiment is asked for: the correction is over its claims alone.
rule ledger_of_one:
    input:
        judged=f"{RESULTS}/{{experiment}}/judged.csv",
        variants=f"{RESULTS}/{{experiment}}/variants.parquet",
    output:
        claims=f"{RESULTS}/{{experiment}}/claims.csv",
        provenance=f"{RESULTS}/{{experiment}}/claims.json",
        statements=f"{RESULTS}/{{experiment}}/statements.csv",
        robustness=f"{RESULTS}/{{experiment}}/robustness.csv",
        changes=f"{RESULTS}/{{experiment}}/single_changes.csv",
    log:
        f"{LOGS}/ledger/{{experiment}}.log",
    priority: STUDY_FIRST
    params:
        code=code_digest("ledger"),
    shell:
        "largebatch ledger --out {output.claims} {input.judged} 2> {log}"
