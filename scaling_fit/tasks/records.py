"""What is said of tasks: the part of fit.json beside the sets of losses. Its meaning stands with the modules that make it."""

from dataclasses import dataclass
from typing import Literal

from scaling_fit.intervals import Interval

Kind = Literal["chance", "break", "turns", "explained", "sudden", "smooth", "open"]


@dataclass(frozen=True)
class TaskPoint:
    """One run's score; `se` over items, None where it is not known."""

    level: str
    shape: str
    seed: str
    N: float
    D: float
    loss: float
    value: float
    se: float | None


@dataclass(frozen=True)
class TaskCurve:
    """The metric of one level over the losses that it was run at, with the interval of the curve."""

    level: str
    loss: tuple[float, ...]
    value: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class Longest:
    """A level at its most compute: the mean score of those runs, with items and runs in the interval; `chance`: nothing
    tells it from guessing (None: the metric has no chance)."""

    level: str
    flops: float
    runs: int
    value: Interval
    chance: bool | None


@dataclass(frozen=True)
class AtEqualLoss:
    """Level minus baseline at one loss, in units of the metric; `loss` None: the two share no loss, and nothing is compared."""

    level: str
    loss: float | None
    offset: Interval
    p: float | None
    p_adjusted: float | None


@dataclass(frozen=True)
class Ahead:
    """What a larger run would score: the plan's best run of a budget, its loss and its score, each with the interval of a
    run."""

    level: str
    budget: float
    times: float
    N: float
    D: float
    loss: Interval
    value: Interval


@dataclass(frozen=True)
class RollingTask:
    """Forecasts of the ladder's own largest runs from the smaller ones: root mean square error of the chain, and of the curve
    alone where the run's loss is known. `widened`: what the curve's standard error is multiplied by beyond the data."""

    forecasts: int
    chained: float | None
    at_known_loss: float | None
    widened: float


@dataclass(frozen=True)
class Signal:
    """In units of the metric: `signal`, from the best to the worst level on common runs; `noise`, the standard error of a
    difference; `run`, how far runs scatter about the curve; `items`, the sampling error of a score (None: not known)."""

    signal: float
    noise: float
    ratio: float
    run: float
    items: float | None


@dataclass(frozen=True)
class MetricFit:
    """One metric of one task. `parallel`: p of all levels following one slope; `reason`: why there is no curve."""

    metric: str
    chance: float | None
    items: float | None
    points: tuple[TaskPoint, ...]
    longest: tuple[Longest, ...]
    signal: Signal | None
    curves: tuple[TaskCurve, ...]
    parallel: float | None
    equal_loss: tuple[AtEqualLoss, ...]
    ahead: tuple[Ahead, ...]
    rolling: RollingTask | None
    reason: str


@dataclass(frozen=True)
class Emergence:
    """Of one level. `span`: the share of the tested losses within which the accuracy makes most of its rise; `tested`: the
    metric that was tested for a turn, `loss` where it turns most clearly, `p` of a smooth rise, adjusted for all levels and
    tasks; `follows`: the share of the accuracy's variance between runs that the continuous metric explains."""

    level: str
    kind: Kind
    span: float | None
    tested: str
    loss: float | None
    p: float | None
    follows: float | None


@dataclass(frozen=True)
class TaskWords:
    """`finding`: what the task tells of the levels; `equal_loss` and `emergence` by level; `forecast` and `signal`: a sentence
    each ("" where there is nothing to say)."""

    finding: str
    equal_loss: dict[str, str]
    emergence: dict[str, str]
    forecast: str
    signal: str


@dataclass(frozen=True)
class TaskResult:
    """`leading`: the metric that the words are about."""

    leading: str
    metrics: dict[str, MetricFit]
    emergence: dict[str, Emergence]
    words: TaskWords

    @property
    def lead(self) -> MetricFit:
        return self.metrics[self.leading]


@dataclass(frozen=True)
class Tasks:
    """All tasks, against the loss on `eval_set`; those that can decide first."""

    eval_set: str
    tasks: dict[str, TaskResult]
