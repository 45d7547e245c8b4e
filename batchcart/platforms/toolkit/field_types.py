"""Owns the value types that the documents' field tables share; it does not know which field has which."""

from typing import Annotated

from msgspec import Meta

from batchcart.model.ids import LONGEST_ID

Whole = int | Annotated[str, Meta(pattern=r"^-?[0-9]+$(?!\n)", max_length=40, description="a whole number in quotes")]
"""A whole number, plain or in quotes."""

Id = (
    Annotated[int, Meta(ge=0)]
    | Annotated[str, Meta(pattern=r"^[0-9]+$(?!\n)", max_length=40, description="a whole number in quotes")]
)
"""A platform's number for a product, variant, option or customer."""

OptionalId = Annotated[int, Meta(ge=0)] | Annotated[str, Meta(pattern=r"^[0-9]*$(?!\n)", max_length=40)]
"""Likewise, where an empty string means none."""

Count = (
    Annotated[int, Meta(ge=1)]
    | Annotated[
        str, Meta(pattern=r"^0*[1-9][0-9]*$(?!\n)", max_length=40, description="a whole number of at least 1 in quotes")
    ]
)
"""How many: a whole number of at least 1."""

Quantity = (
    Annotated[int, Meta(gt=0)]
    | Annotated[float, Meta(gt=0)]
    | Annotated[
        str,
        Meta(pattern=r"^(?=.*[1-9])[0-9]+(\.[0-9]+)?$(?!\n)", max_length=40, description="a number above 0 in quotes"),
    ]
)
"""How much: a number above 0, whole or not."""

Money = (
    Annotated[int, Meta(ge=0)]
    | Annotated[float, Meta(ge=0)]
    | Annotated[
        str, Meta(pattern=r"^[0-9]+(\.[0-9]+)?$(?!\n)", max_length=40, description="an amount with a dot in quotes")
    ]
)
"""An amount of at least 0 in the shop's currency."""

Text = str
Key = Annotated[str, Meta(min_length=1, max_length=LONGEST_ID)]
Date = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$(?!\n)", max_length=40, description="YYYY-MM-DD")]
TimeOfDay = Annotated[str, Meta(pattern=r"^[0-9]{2}:[0-9]{2}:[0-9]{2}$(?!\n)", max_length=40, description="HH:MM:SS")]
DateTime = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}$(?!\n)",
        max_length=40,
        description="YYYY-MM-DD HH:MM:SS",
    ),
]
