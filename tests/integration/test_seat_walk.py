"""What the hub hands out of an account is what is open now, whatever it is just reading of another one."""

import sqlite3
from contextlib import closing

from cli_harness import Cli, add, create, get

from batchcart.engine.chain_feed import PlannedJob
from batchcart.jobs.opening import open_job
from batchcart.runs.seats.walk import ParcelWalk


def test_a_walk_that_stands_still_lets_others_see_what_has_ended_since(shop: Cli) -> None:
    path = shop.job([create("acme"), add("acme"), add("acme"), add("acme"), get("acme"), create("loja")])
    shop.hook("acme", lambda call: "401" if call.method == "GET" else "")
    shop.hook("loja", "401")
    shop.run(code=3)
    journal = shop.folder / "job.results.jsonl.journal"
    with closing(sqlite3.connect(journal)) as plan, closing(sqlite3.connect(journal)) as writer:
        numbers = dict(plan.execute("SELECT name, id FROM account"))
        with open_job(str(path), spool_folder=shop.folder) as source:
            job = PlannedJob("run", source, plan, None, resumed=True)
            standing = ParcelWalk(job, numbers["acme"], fresh=False)
            assert [step.line for step in standing.cut(1)] == [1]  # it stands at a line that has ended
            writer.execute("INSERT INTO result (line, status, learnt, text, until) VALUES (6, 'ok', '{}', x'', 0)")
            writer.commit()
            assert ParcelWalk(job, numbers["loja"], fresh=False).over
