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


def test_a_chain_that_nobody_was_given_is_held_back_on_demand_and_goes_on_as_it_stands_then(shop: Cli) -> None:
    shop.job([create("acme"), create("acme", "b"), add("acme", "b"), create("acme", "c")])
    shop.hook("acme", "401")
    shop.run(code=3)
    journal = shop.folder / "job.results.jsonl.journal"
    with closing(sqlite3.connect(journal)) as plan, closing(sqlite3.connect(journal)) as writer:
        (number,), chains = (
            plan.execute("SELECT id FROM account").fetchone(),
            dict(plan.execute("SELECT line, chain FROM plan")),
        )
        with open_job(str(shop.folder / "job.jsonl"), spool_folder=shop.folder) as source:
            job = PlannedJob("run", source, plan, None, resumed=True)
            walk = ParcelWalk(job, number, fresh=False)
            assert not walk.hold(chains[1])  # it is ready to be handed out
            assert walk.hold(chains[2])
            assert [step.line for step in walk.cut(9)] == [1, 4]
            assert not walk.hold(chains[4])
            assert walk.waits
            writer.execute("INSERT INTO result (line, status, learnt, text, until) VALUES (2, 'ok', '{}', x'', 0)")
            writer.commit()
            walk.release(chains[2])
            assert [(step.line, step.status) for step in walk.cut(9)] == [(2, "ok"), (3, "")]
            assert walk.over
            assert not ParcelWalk(job, number, fresh=True).hold(chains[4])  # of a fresh account nothing was sent
