"""Which column plays which part: as the caller says, else by its name, and never by a name that could mean something else.

A name is compared without case, blanks and signs (`User ID` is `user_id`). Names stand in tiers: the best tier that is there
counts, and two of one tier are a doubt. Of a part that a data set must have, a doubt is refused; of the others, nothing is used,
and that is noted. What users wrote (headline, text) is never told by a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

from llmrg.core.errors import DataError
from llmrg.data.options import ReadOptions

PEOPLE = ("user", "reader", "reviewer", "customer", "client", "member", "visitor", "account", "buyer", "shopper", "listener")
THINGS = (
    "item", "movie", "film", "product", "book", "game", "app", "song", "track", "artist", "business", "article", "venue", "anime",
    "prod", "recipe", "restaurant", "hotel",
)  # fmt: skip
ITEM_TITLES = tuple(f"{thing}{word}" for thing in THINGS for word in ("title", "name"))
Tiers = tuple[tuple[str, ...], ...]
OF_INTERACTIONS: dict[str, Tiers] = {
    "user": ((*(f"{who}id" for who in PEOPLE), "uid"), PEOPLE, ("username",)),
    "item": (("parentasin",), (*(f"{what}id" for what in THINGS), "asin", "sku", "isbn", "iid"), THINGS),
    "time": (
        ("timestamp", "unixtime", "unixreviewtime", "ts"),
        ("time", "datetime", "date", "at", "eventtime", "createdat", "reviewdate", "orderdate", "purchasedate", "ratedat"),
    ),
    "rating": (("rating", "overall", "stars", "userrating", "reviewrating", "overallrating"), ("score",)),
    "title": (ITEM_TITLES, ("title",)),
}
OF_ITEMS: dict[str, Tiers] = {
    "item": (*OF_INTERACTIONS["item"][:2], ("id",), THINGS),
    "title": (("title",), ITEM_TITLES, ("name",)),
}
OF_USERS: dict[str, Tiers] = {"user": (OF_INTERACTIONS["user"][0], ("id",), *OF_INTERACTIONS["user"][1:])}
NAMES = {"interactions": OF_INTERACTIONS, "items": OF_ITEMS, "users": OF_USERS}
REVIEWS = frozenset(
    ("text", "review", "reviewtext", "reviewbody", "body", "comment", "summary", "headline", "content", "helpfulvote", "verified",
     "verifiedpurchase", "reviewid", "votes", "helpful")
)  # fmt: skip
"""Beside one of these, a `title` is what somebody wrote above a review."""
ROW_NUMBERS = re.compile(r"|unnamed\d*|index|(index)?level\d+|rownumber|rowid|row")
PERSONAL = frozenset(
    ("name", "firstname", "lastname", "surname", "fullname", "username", "displayname", "nickname", "email", "mail",
     "emailaddress", "phone", "phonenumber", "telephone", "mobile", "address", "street", "zip", "zipcode", "postalcode",
     "postcode", "ip", "ipaddress", "password", "ssn", "birthdate", "birthday", "dateofbirth")
)  # fmt: skip
"""Of users; they say who somebody is and not what somebody likes, and would be sent to a model."""
COORDINATES = frozenset(
    ("lat", "latitude", "lon", "lng", "long", "longitude", "coordinates", "coordinate", "latlon", "latlng", "latlong", "geo",
     "gps", "geometry", "geolocation", "point")
)  # fmt: skip


@dataclass(frozen=True)
class ColumnUse:
    """What a column was taken for."""

    table: str
    """`interactions`, `items` or `users`."""
    column: str
    use: str
    """A role, `attribute`, or `not used` and why."""
    chosen: bool = False
    """Whether the caller named it; else its name did."""


class Roles:
    """The parts of one table's columns."""

    def __init__(self, table: str, source: str, columns: Iterable[str], options: ReadOptions) -> None:
        self.table, self.source, self.columns, self._options = table, source, list(columns), options
        self.uses: list[ColumnUse] = []
        self.notes: list[str] = []
        self._plain: dict[str, list[str]] = {}
        for column in self.columns:
            self._plain.setdefault(plain_name(column), []).append(column)

    def need(self, role: str) -> str:
        """Raises: DataError: no column of this role, or more than one that could be it; the message names the choices."""
        columns = self._named(role)
        if len(columns) != 1:
            self._refuse(role, columns)
        return self._use(role, columns[0])

    def find(self, role: str) -> str | None:
        """The column of a role that need not be there, or None. Raises: DataError: one was named and is not there, or a doubt
        about times."""
        columns = self._named(role)
        if len(columns) > 1 and role == "time":
            self._refuse(role, columns)
        if len(columns) > 1:
            both = " and ".join(map(repr, columns))
            self.notes.append(f"{self.source}: {both} could both be the {role}: neither is used; name the one that is")
        return self._use(role, columns[0]) if len(columns) == 1 else None

    def _named(self, role: str) -> list[str]:
        chosen = self._options.chosen(self.table, role)
        if chosen in self.columns:
            return [str(chosen)]
        must = self._options.chosen_for(self.table, role) or (self.table == "interactions" and role != "title")
        if chosen is not None and must:  # a title may stand in the items table alone
            self.missing(chosen)
        for tier in NAMES[self.table].get(role, ()):
            columns = sorted((c for name in tier for c in self._plain.get(name, ())), key=self.columns.index)
            if columns:
                return [] if self._doubtful(role, columns) else columns
        if role == "title" and self.table == "interactions" and "name" in self._plain:
            name = self._plain["name"][0]
            self.notes.append(
                f"{self.source}: {name!r} may be a person's: it is not taken for the title of the item; name it if it is"
            )
        return []

    def _doubtful(self, role: str, columns: Sequence[str]) -> bool:
        """A title beside what makes it a review's."""
        if role != "title" or self.table != "interactions" or plain_name(columns[0]) != "title":
            return False
        beside = [column for column in self.columns if plain_name(column) in REVIEWS]
        if beside:
            self.notes.append(
                f"{self.source}: {columns[0]!r} stands beside {beside[0]!r} and may be what somebody wrote above a review: it is "
                "not taken for the title of the item; if it is that, name it (title)"
            )
        return bool(beside)

    def _use(self, role: str, column: str) -> str:
        self.uses.append(ColumnUse(self.table, column, role, self._options.chosen(self.table, role) == column))
        return column

    def forget(self, role: str, why: str) -> None:
        """A column is not what its name said; `why` is noted."""
        self.uses = [replace(use, use="not used") if use.use == role else use for use in self.uses]
        self.notes.append(why)

    def attributes(self) -> list[str]:
        """The columns that say something of an item or a user: the rest, without row numbers, coordinates, and who a user is."""
        kept, taken = [], {use.column for use in self.uses}
        for column in self.columns:
            name = plain_name(column)
            if column in taken:
                continue
            why = "a row number" if ROW_NUMBERS.fullmatch(name) else "a coordinate" if name in COORDINATES else ""
            why = "it tells who somebody is" if not why and self.table == "users" and name in PERSONAL else why
            self.uses.append(ColumnUse(self.table, column, f"not used: {why}" if why else "attribute"))
            kept += [] if why else [column]
        return kept

    def rest(self) -> None:
        """The columns of the interactions that nothing is made of."""
        taken = {use.column for use in self.uses}
        self.uses += [ColumnUse(self.table, column, "not used") for column in self.columns if column not in taken]

    def missing(self, column: str) -> NoReturn:
        """Raises: DataError: a column that was named is not there."""
        raise DataError(
            f"{self.source}: no column {column!r}; there are: {', '.join(map(repr, self.columns)) or 'none'}",
            sdk="mend `columns`",
            shell="mend `--columns`",
        )

    def _refuse(self, role: str, columns: Sequence[str]) -> None:
        if not columns and any(re.fullmatch(r"[-+.\d\s:TZ]*\d[-+.\d\s:TZ]*", column) for column in self.columns):
            first = ", ".join(self.columns[:5])
            raise DataError(
                f"{self.source}: its first line ({first}) holds values and no names of columns",
                sdk="read it with `header=False` and `columns={'user': '1', 'item': '2', ...}`",
                shell="add --no-header --columns user=1,item=2,... (the columns are then called 1, 2, 3)",
            )
        there = ", ".join(map(repr, self.columns)) or "none"
        why = f"{' and '.join(map(repr, columns))} could each be the {role}" if columns else f"no column {role!r}"
        guess = (columns or self._likely(role) or ["..."])[0]
        of = f"{self.table}." if self.table != "interactions" else ""
        raise DataError(
            f"{self.source}: {why}; there are: {there}",
            sdk=f"say which it is with `columns={{{of + role!r}: {guess!r}}}`",
            shell=f"say which it is with --columns {of}{role}={guess}",
        )

    def _likely(self, role: str) -> list[str]:
        """For the example of a message only."""
        taken = {use.column for use in self.uses}
        return [c for c in self.columns if role in ROLES_OF_IDS and c not in taken and re.search(r"[^_ ]+[_ ]?id$", c.lower())]


ROLES_OF_IDS = ("user", "item")


def plain_name(column: str) -> str:
    """`User ID` -> `userid`."""
    return re.sub(r"[\W_]+", "", str(column).lower())
