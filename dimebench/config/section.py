"""Building blocks of a suite's sections: strict models, and rules beyond pydantic's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from dimebench.config.errors import ConfigError
from dimebench.config.names import check_task

MOST = 10**12  # no count in a suite is larger; env steps are stored as int64


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def rule(text: str, at: tuple[str | int, ...] = ()) -> PydanticCustomError:
    """A broken rule as pydantic carries it; `at` is the path from the validated value to the culprit."""
    return PydanticCustomError("rule", "{text}", {"text": text, "at": at})


def checked(check: Callable[[str], str]) -> AfterValidator:
    """A check that raises ConfigError or ValueError as a pydantic validator."""

    def validate(value: str) -> str:
        try:
            return check(value)
        except (ConfigError, ValueError) as error:
            raise rule(str(error)) from None

    return AfterValidator(validate)


def _whole(value: Any) -> Any:
    """1e6 is accepted as a count; 1.5 is left for pydantic to refuse."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Count = Annotated[int, Field(ge=1, le=MOST), BeforeValidator(_whole)]
Task = Annotated[str, checked(check_task)]
