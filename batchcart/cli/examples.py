"""Owns the examples at the end of each command's help; tests read them as command lines."""

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "run": (
        ("check the job, then run it; the same command again resumes it", "batchcart run job.jsonl"),
        ("one line of each account first", "batchcart run job.jsonl --sample 1"),
        ("once more, the lines that failed or were skipped", "batchcart run job.jsonl --retry-failed"),
        ("with nobody watching", "batchcart run job.jsonl --log events.jsonl --on-end 'mail -s batchcart me'"),
    ),
    "check": (
        ("the plan, and how long the limits make it take", "batchcart check job.jsonl"),
        ("what would be sent", "batchcart check job.jsonl --show-requests"),
    ),
    "seat": (
        ("on the machine of the run", "batchcart seat 127.0.0.1:7333"),
        ("from another one", "batchcart seat host1:7333 --tls-ca ca.pem --tls-cert node.pem --tls-key node.key"),
    ),
    "status": (
        ("also while it runs", "batchcart status job.results.jsonl"),
        ("until it ends", "batchcart status job.results.jsonl --watch"),
    ),
    "settle": (
        ("read the shops again", "batchcart settle job.results.jsonl"),
        ("by hand: line 7 did not happen", "batchcart settle job.results.jsonl --line 7 --not-done"),
        ("a table to fill in", "batchcart settle job.results.jsonl --todo doubts.csv"),
        ("the table, filled in", "batchcart settle job.results.jsonl --from doubts.csv"),
    ),
    "results": (("for a spreadsheet", "batchcart results job.results.jsonl --to results.xlsx"),),
    "rest": (("then correct it, and run it", "batchcart rest job.results.jsonl -o job.rest.jsonl"),),
    "undo": (
        ("write the job that takes everything back", "batchcart undo job.results.jsonl -o job.undo.jsonl"),
        ("and run it", "batchcart run job.undo.jsonl"),
    ),
    "report": (
        ("in the terminal", "batchcart report job.results.jsonl"),
        ("as a page for a browser", "batchcart report job.results.jsonl --html report.html"),
    ),
    "export": (("all carts of a shop that lists them", "batchcart export sklep -o carts.jsonl"),),
    "convert": (
        ("first the map of products, to fill in", "batchcart convert carts.jsonl --to acme --map-template map.csv"),
        ("then the job", "batchcart convert carts.jsonl --to acme --map map.csv -o job.jsonl"),
    ),
    "verify": (
        (
            "after the job has run",
            "batchcart verify carts.jsonl job.results.jsonl --map map.csv -o differences.jsonl",
        ),
    ),
    "migrate": (("all steps; again resumes them", "batchcart migrate --from sklep --to acme --map map.csv"),),
    "platforms": (("what survives a move", "batchcart platforms --migration"),),
    "schema": (("for an editor that checks job files", "batchcart schema job"),),
    "init": (
        ("it asks for everything", "batchcart init"),
        (
            "in a script",
            "batchcart init --platform NAME --address https://shop.example --access-token env:SHOP_TOKEN",
        ),
    ),
    "accounts": (("as a run of this job sees them", "batchcart accounts --job jobs/job.jsonl"),),
    "template": (
        ("for another program to fill in", "batchcart template --platform NAME --op cart.create -o job.xlsx"),
    ),
    "doctor": (
        ("all accounts", "batchcart doctor"),
        ("one account, without asking its shop", "batchcart doctor acme --offline"),
    ),
    "help": (("the same as batchcart run --help", "batchcart help run"),),
    "completion": (("in this shell", 'eval "$(batchcart completion bash)"'),),
    "bench": (("against a simulator of its own", "batchcart bench --carts 200"),),
    "sandbox": (("with shops that misbehave now and then", "batchcart sandbox --fault 500=0.1 --fault 429=0.05"),),
}
"""What for, and the command line, by command."""


def examples_text(name: str) -> str:
    """The command's examples as click's epilog."""
    return "\n".join(["\b\nExamples:", *(f"  # {purpose}\n  {line}" for purpose, line in EXAMPLES[name])])
