"""Owns in which order the pages of a list are asked for, and whether all rows were surely met; it knows no shop.

A list is asked for page by page while rows come and go, in an order that nobody documents. A row that is there all the
time can be passed over only if it changes its page towards those that were read already: on the way forward if rows
before it go, on the way back, from the last page to the first, if rows come before it. So the list is first read
forward to its end, and then back. The way back met every row if nothing came in front of what was read:

- new rows, those with numbers above all that were known, were not met; and
- no row was met twice, as it is where new rows came in front and went again.

In a list whose numbers rise from page to page new rows come last; there neither matters, unless new rows filled its
last page, so that an old one may be behind them. A way back that does not tell is repeated a few times, forward first
from where the list ended.
"""

from collections.abc import Collection, Sequence
from itertools import pairwise

import msgspec

MOST_PASSES = 4
"""How often the way back is gone."""

_ENDS = 3  # pages in a row that bring nothing new, where one alone may not be the end
_RISING = 8  # numbers that rise one after the other, and none that does not, show the order of a list


class Cursor(msgspec.Struct, frozen=True):
    """How far a list has been read: ``page`` is asked for next, forward or ``back``, the ``pass_number``-th time.

    ``asked`` is how many rows a page is asked for, ``thin`` whether a filter may leave pages with fewer or none.
    ``pages`` is the last page that had rows, ``last`` the numbers on the page before, or on the last one; ``largest``
    is the most rows of a page, ``greatest`` the greatest number. ``rising`` counts numbers that rose, ``falls`` says
    that one did not, ``repeats`` that all pages may be the first. Of the way back: ``known`` is the greatest number
    before it, ``edge`` the least since, ``late`` how many new rows were met, ``behind`` how many of them not on the
    last page, ``twice`` how many rows once more, ``gaps`` how many pages were refused. ``sure`` is said once it is
    ``over``.
    """

    asked: int = 0
    thin: bool = False
    page: int = 1
    back: bool = False
    pass_number: int = msgspec.field(default=0, name="way")  # so it stands in folders of earlier versions
    pages: int = 0
    last: tuple[int, ...] = ()
    ends: int = 0
    largest: int = 0
    greatest: int = 0
    known: int = 0
    edge: int | None = None
    late: int = 0
    behind: int = 0
    twice: int = 0
    gaps: int = 0
    rising: int = 0
    falls: bool = False
    repeats: bool = False
    over: bool = False
    sure: bool = False

    def after(self, ids: Sequence[int] | None, fresh: Collection[int], twice: Collection[int]) -> "Cursor":
        """The walk once a page brought the rows with these ``ids``; None where the shop refused it.

        ``fresh`` of them were never met before, ``twice`` were met on this way back already.
        """
        return self._back(ids, fresh, twice) if self.back else self._forward(ids)

    def _forward(self, ids: Sequence[int] | None) -> "Cursor":
        found = tuple(ids or ())
        if found and found != self.last:
            return msgspec.structs.replace(self._with(found), page=self.page + 1, pages=self.page, last=found, ends=0)
        ends = self.ends + 1
        # A page again, or a refusal, may be the shop's way to say that there is no more, or a page's worth of new rows.
        if ends < (_ENDS if found or ids is None or self.thin else 1):
            return msgspec.structs.replace(self, page=self.page + 1, ends=ends)
        if not self.pages:
            return msgspec.structs.replace(self, over=True, sure=ids is not None)
        repeats = bool(found) and self.pages == 1 and len(found) >= self.asked > 0
        return msgspec.structs.replace(
            self,
            page=self.pages,
            back=True,
            pass_number=self.pass_number + 1,
            known=self.greatest,
            edge=None,
            late=0,
            behind=0,
            twice=0,
            gaps=0,
            repeats=repeats,
        )

    def _back(self, ids: Sequence[int] | None, fresh: Collection[int], twice: Collection[int]) -> "Cursor":
        found = tuple(ids or ())
        new = [number for number in found if number not in twice]
        edge = self.edge
        late = sum(1 for number in fresh if number > self.known)
        last_page = edge is None and len(found) < self.largest and not self.thin
        following = msgspec.structs.replace(
            self._with(found),
            page=self.page - 1,
            late=self.late + late,
            behind=self.behind + (0 if last_page else late),
            twice=self.twice + len(twice),
            gaps=self.gaps + (ids is None and edge is not None),  # before that the list may have become shorter
            pages=self.page if found and edge is None else self.pages,
            last=found if found and edge is None else self.last,
            edge=min((*new, *([] if edge is None else [edge])), default=None),
        )
        if new and edge is not None:
            following = msgspec.structs.replace(
                following, rising=following.rising + 1, falls=following.falls or max(new) > edge
            )
        return following if following.page else _turn(following)

    def _with(self, ids: tuple[int, ...]) -> "Cursor":
        falls = self.falls or any(one >= other for one, other in pairwise(ids))
        greatest = max((self.greatest, *ids))
        return msgspec.structs.replace(
            self,
            largest=max(self.largest, len(ids)),
            greatest=greatest,
            falls=falls,
            rising=self.rising + max(0, len(ids) - 1),
        )


def _turn(walk: Cursor) -> Cursor:
    """The walk at the end of a way back."""
    rises = not walk.falls and walk.rising >= _RISING
    consistent = not walk.behind if rises else not (walk.late or walk.twice)
    sure = consistent and not walk.gaps and not walk.repeats
    if sure or walk.pass_number >= MOST_PASSES:
        return msgspec.structs.replace(walk, over=True, sure=sure)
    return msgspec.structs.replace(walk, page=walk.pages + 1, back=False, ends=0)
