"""What a cart's lines learn from one another: ids, facts, and what failed to be created."""

from batchcart.engine.chain_state import ChainState
from batchcart.journal.queries import ChainUpdate
from batchcart.model.operation import Operation, OperationKind
from batchcart.model.outcome import Skipped, Status


def add(line: int, item: str) -> Operation:
    return Operation(line, OperationKind.ITEM_ADD, "a", "c", item=item)


def use(line: int, item: str) -> Operation:
    return Operation(line, OperationKind.ITEM_UPDATE, "a", "c", item=item)


CREATE = Operation(1, OperationKind.CART_CREATE, "a", "c")


def test_the_key_a_create_brought_is_known_to_the_lines_after_it() -> None:
    chain = ChainState("run", 1)
    assert chain.context(CREATE).cart_id is None
    chain.apply(CREATE, Status.OK, ChainUpdate("k1"), 1)
    assert chain.context(add(2, "i")).cart_id == "k1"


def test_the_key_a_line_gives_itself_comes_first() -> None:
    chain = ChainState("run", 1, cart_id="learnt")
    assert chain.context(Operation(2, OperationKind.CART_GET, "a", "c", cart_id="given")).cart_id == "given"


def test_an_items_id_is_known_under_its_name() -> None:
    chain = ChainState("run", 1)
    chain.apply(add(2, "mug"), Status.OK, ChainUpdate("k", "77"), 2)
    assert chain.context(use(3, "mug")).items == {"mug": "77"}


def test_a_new_carts_key_is_the_same_in_every_try_and_differs_by_run_account_and_cart() -> None:
    def key(run: str, account: str, cart: str) -> str:
        return ChainState(run, 1).context(Operation(1, OperationKind.CART_CREATE, account, cart)).generated_key

    keys = {key(run, account, cart) for run in ("r", "s") for account in ("a", "b") for cart in ("c", "d")}
    assert len(keys) == 8
    assert key("r", "a", "c") == key("r", "a", "c")
    assert all(len(each) == 32 for each in keys)


def test_carts_without_a_name_get_keys_of_their_own() -> None:
    keys = {
        ChainState("run", line).context(Operation(line, OperationKind.CART_CREATE, "a")).generated_key
        for line in (1, 2)
    }
    assert len(keys) == 2


def test_a_create_that_did_not_end_ok_skips_its_cart_and_names_its_line() -> None:
    for status in (Status.FAILED, Status.IN_DOUBT, Status.SKIPPED):
        chain = ChainState("run", 1)
        chain.apply(CREATE, status, ChainUpdate(), 1)
        skipped = chain.missing_dependency(add(2, "mug"))
        assert isinstance(skipped, Skipped)
        assert skipped.line == 1
        assert "line 1" in skipped.message


def test_an_add_that_did_not_end_ok_skips_only_the_lines_on_its_item() -> None:
    chain = ChainState("run", 1)
    chain.apply(CREATE, Status.OK, ChainUpdate("k"), 1)
    chain.apply(add(2, "mug"), Status.FAILED, ChainUpdate(), 2)
    skipped = chain.missing_dependency(use(3, "mug"))
    assert isinstance(skipped, Skipped)
    assert skipped.line == 2
    assert chain.missing_dependency(use(4, "plate")) is None
    assert chain.missing_dependency(Operation(5, OperationKind.CART_GET, "a", "c")) is None


def test_facts_are_remembered_and_forgotten() -> None:
    chain = ChainState("run", 1)
    chain.apply(add(2, "mug"), Status.OK, ChainUpdate("k", "7", {"lines": "known", "line:7": "1 2"}), 2)
    assert chain.context(add(3, "x")).facts == {"lines": "known", "line:7": "1 2"}
    chain.apply(add(3, "x"), Status.IN_DOUBT, ChainUpdate(facts={"lines": None}), 3)
    assert chain.context(add(4, "y")).facts == {"line:7": "1 2"}
