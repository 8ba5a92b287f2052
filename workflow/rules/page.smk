# The primer's interactive page: one self-contained file. Its only data are the loss around two minima.


rule page:
    input:
        line_observations(),
    output:
        f"{RESULTS}/primer.html",
    log:
        f"{LOGS}/page.log",
    params:
        ask=f"{ASKS}/page.json",
        asked=digest(STUDY.to_page()),
        observations=" ".join(f"--observations {path}" for path in line_observations()),
        code=code_digest("page"),
    shell:
        "largebatch page --ask {params.ask} {params.observations} --out {output} 2> {log}"
