# The primer's interactive page: one self-contained file, which no data goes into.


rule page:
    output:
        f"{RESULTS}/primer.html",
    log:
        f"{LOGS}/page.log",
    params:
        code=code_digest("page"),
    shell:
        "largebatch page --out {output} 2> {log}"
