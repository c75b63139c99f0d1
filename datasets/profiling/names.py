"""The meaning of a column by its name: an id, a quantity, a domain, or clicks."""

from __future__ import annotations

import re

from datasets.encoding.hindsight import words_of


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_OF_CRITEO = re.compile(r"(I|C)\d+")  # integers that count, categorical values

LABELS = (  # the likelier first
    ("label",),
    ("is", "click"),
    ("click",),
    ("clicked",),
    ("is", "clicked"),
    ("clk",),
    ("ctr",),
    ("y",),
    ("target",),
    ("response",),
    ("is", "trade"),
    ("conversion",),
    ("converted",),
    ("is", "attributed"),
    ("is", "purchase"),
    ("purchase",),
    ("buy",),
    ("is", "buy"),
    ("revenue",),
    ("income",),
    ("class",),
)
TOKENS = _words(
    "id ids uid iid idx key code type category cat cate level tab hour weekday month zip city"
    " region province country brand shop user item tag class group segment slot position pos"
    " scenario scene page site channel device os gender occupation version range phone"
    " mobile tel postcode postal ip imei session cookie categorical sparse"
)
QUANTITIES = _words(
    "ms sec secs second seconds minute minutes hours days duration length len num count cnt price"
    " amount score rate ratio size width height age distance bid budget total sum avg mean percent"
    " balance income gain loss numerical numeric dense"
)
DOMAINS = _words(
    "scenario scene tab domain position pos placement slot pid channel page site app source adzone"
    " entry surface market country"
)
GROUPS = _words(
    "user member gender sex age segment group device platform occupation degree active os"
)
USERS = _words("user member visitor uid")
ITEMS = _words(
    "item iid video movie film anime song track book article news post product goods sku ad adgroup"
    " creative"
)
TIMES = _words(
    "time timestamp stamp ts date datetime ds day hour dt created at when epoch utc unix unixtime"
    " eventtime clicktime logtime requesttime createtime ctime"
)
_NO_TIMES = _words("id ids uid code idx zone")  # a time's words may be part of such a name
_OF_OTHERS = _words(  # dates of a user or an item
    "birth birthday birthdate born dob yob age register registered registration signup joined"
    " release released publish published upload uploaded expire expires expiry"
)
_CLICKS = _words(
    "click clicks clicked clk clks conversion conversions purchase purchases buy buys install"
    " installs"
)


def label_rank(name: str) -> int:
    """The place of a name among the usual names of a label; one past the end if it is none."""
    words = tuple(words_of(name))
    return LABELS.index(words) if words in LABELS else len(LABELS)


def domain_score(name: str) -> int:
    """2 for the usual names of scenarios and places, 1 for those of groups of users, else 0."""
    words = set(words_of(name))
    if is_user(name):  # one user is no group
        return 0
    return 2 if not DOMAINS.isdisjoint(words) else int(not GROUPS.isdisjoint(words))


def is_user(name: str) -> bool:
    """True if a name is that of users themselves, such as `user`, `userId` or `uid`."""
    words = set(words_of(name))
    return not USERS.isdisjoint(words) and words <= USERS | {"id"}


def is_item(name: str) -> bool:
    """True if a name is that of items themselves, such as `item`, `videoId` or `sku`."""
    words = set(words_of(name))
    return not ITEMS.isdisjoint(words) and words <= ITEMS | {"id"}


def is_named_as_time(name: str) -> bool:
    """True if a column's name says that it holds the time of its rows."""
    words = set(words_of(name))
    return (
        not TIMES.isdisjoint(words) and _NO_TIMES.isdisjoint(words) and _OF_OTHERS.isdisjoint(words)
    )


def is_hour(name: str) -> bool:
    """True if `hour` alone names the time: a date with its hour, or the hour of any day."""
    return TIMES.intersection(words_of(name)) == {"hour"}


def is_date_of_another(name: str) -> bool:
    """True for the name of a user, a group or an attribute, whose date is not that of the row."""
    words = set(words_of(name))
    return not (_OF_OTHERS | GROUPS | USERS).isdisjoint(words)


def is_token(name: str) -> bool | None:
    """True for a name of tokens (an id, a level), False for a quantity's; None if it says nothing.

    The last telling word decides: `user_num` is a quantity, `price_level` is not. Numbered names
    are those of Criteo: `I3` is a quantity, `C14` is not.
    """
    if kind := _OF_CRITEO.fullmatch(name):
        return kind[1] == "C"
    for word in reversed(words_of(name)):
        if word in TOKENS or word in QUANTITIES:
            return word in TOKENS
    return None


def is_click(name: str) -> bool:
    """True if a name is that of clicks or their like, such as `click` or `num_clicks`."""
    return not _CLICKS.isdisjoint(words_of(name))
