"""Which column is what: headings of many trackers and papers known by name, with the unit that a heading states.

`config.n_params`, `params.n_params`, `Model Size` and `Params (M)` are all N, the last in millions.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scaling_fit.table.numerals import is_missing, is_numeric

Array = np.ndarray

# Names seen in the wild, most specific first; matching ignores case, spaces, dashes and underscores.
GUESSES: dict[str, tuple[str, ...]] = {
    "loss": (
        "loss", "finalloss", "valloss", "evalloss", "validationloss", "testloss", "heldoutloss", "finalvalloss", "evallmloss",
        "validationlmloss", "lmloss", "nats", "losspretrain", "crossentropy", "nll", "logloss", "bitspertoken", "ppl",
        "perplexity", "valperplexity", "evalperplexity", "wordperplexity", "bpb", "bitsperbyte", "evalcrossentropy",
        "valcrossentropy", "lossval", "losseval", "lossvalidation", "trainloss", "finaltrainloss", "losstrain",
    ),
    "N": (
        "n", "params", "nparams", "parameters", "numparams", "numparameters", "nparameters", "modelsize", "paramsactiveprecise",
        "paramcount", "parametercount", "totalparams", "modelparams", "modelnumparameters", "nonembeddingparams",
        "paramsnonembedding", "trainableparams", "modelnparams", "modelparameters", "totalparameters", "trainableparameters",
        "nonembeddingparameters", "size", "namesize",
    ),
    "D": (
        "tokens", "d", "ntokens", "trainingtokens", "traintokens", "numtokens", "maxtokens", "totaltokens", "tokensseen",
        "consumedtokens", "numtokensseen", "trainedtokens", "datasize", "datasetsize", "datasettokens",
        "traintokensseen", "totaltokensseen", "numinputtokensseen", "trainnuminputtokensseen", "throughputtotaltokens",
        "nametokens",
    ),
    "step": (
        "step", "steps", "globalstep", "trainerglobalstep", "trainglobalstep", "trainstep", "iteration", "iterations", "iter",
        "namestep", "maxsteps", "trainsteps", "numsteps", "nsteps", "totalsteps",
    ),
    "flops": (
        "flops", "trainingflop", "trainingflops", "trainflops", "totalflops", "totalflos", "flop", "compute", "trainingcompute",
        "c",
    ),
    "level": ("level", "dataset", "datasetname", "dataname", "corpus", "data", "group", "curation", "mix", "namelevel"),
    "draw": ("draw",),
    "shape": ("shape", "model", "architecture", "modelname"),
    "seed": ("seed", "replicate", "randomseed", "nameseed"),
    "trunk": ("trunk", "runname", "mlflowrunname", "run", "runid"),
    "unique": ("uniquetokens", "unique", "u", "poolsize"),
    "eval_set": ("evalset", "evaluation", "task", "tasks", "valset"),
    "certificate": ("certificate",),
    "loss_se": ("lossse", "stderr", "lossstderr"),
    "repeated": ("repeated",),
}  # fmt: skip
COUNTS = ("N", "D", "flops", "unique")
LAST_PART = ("N", "D", "seed", "unique")  # what a column is called behind its last dot says as well: `model.num_params`
NUMBERS = ("loss", "loss_se", "step", *COUNTS)
TRACKERS = re.compile(r"^(config|summary|params|metrics|tags|hparams)[./]", re.IGNORECASE)
POWERS = {"k": 3, "thousand": 3, "m": 6, "million": 6, "b": 9, "bn": 9, "g": 9, "billion": 9, "t": 12, "trillion": 12,
          "p": 15, "e": 18, "z": 21, "y": 24}  # fmt: skip
SCALED = re.compile(
    r"(.*?)(?:[ _]*[(\[] *(?:in +)?(?:10[\^*]+|1e)?([a-z]+|\d+)(?: *(?:param(?:eter)?s?|tokens?|flops?))? *[)\]]"
    r"|[ _-]+(?:in[ _])?(thousand|million|billion|trillion)s?|_([mb]))",
    re.IGNORECASE,
)
LOGARITHM = re.compile(r"(log_?10|lg|log_?2|ln|log)[ _(\[]+(.*?)[)\]]?", re.IGNORECASE)
BASES = {"log10": 10.0, "lg": 10.0, "log2": 2.0, "ln": np.e}
PERPLEXITY = re.compile(r"^(?!.*log).*(perplexity|ppl)")
PER_BYTE = re.compile(r"bpb|bpc|bits(per)?(byte|char)")
INFORMATION = re.compile(r"(in)?(bits|nats)(per)?(token)?$")
UNFINISHED = frozenset(("crashed", "failed", "killed", "running", "pending", "scheduled", "preempted", "preempting", "queued"))
FINISHED = frozenset(("finished", "completed", "complete", "success", "succeeded", "done", ""))


@dataclass(frozen=True)
class Heading:
    """A column by its name in the table: `key` to look it up by, how its numbers become plain ones, and the words for that."""

    name: str
    key: str
    convert: Callable[[Array], Array] | None = None
    unit: str = ""


def plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


def heading(name: str) -> Heading:
    """What a column's name says of its content. Errors: none; a name that says nothing is its own key."""
    bare = TRACKERS.sub("", name).removesuffix(",none")
    key = plain(bare)
    counts = {guess for role in COUNTS for guess in GUESSES[role]}
    logarithm = LOGARITHM.fullmatch(bare)
    if logarithm and plain(logarithm[2]) in counts:
        base = BASES.get(plain(logarithm[1]))
        power = None if base is None else (lambda x: base**x)
        return Heading(name, plain(logarithm[2]), power, f"a logarithm{'' if base is None else f' to base {base:.3g}'}")
    scaled = SCALED.fullmatch(bare)
    if scaled and plain(scaled[1]) in counts:
        word = (scaled[2] or scaled[3] or scaled[4]).lower()
        word = re.sub(r"(param(eter)?|token|flop)?s?$", "", word)
        power = int(word) if word.isdigit() else POWERS.get(word, 0 if not word else None)
        if power is not None:
            return Heading(name, plain(scaled[1]), lambda x: x * 10.0**power, f"in units of 1e{power}" if power else "")
    flops = re.fullmatch(r"([pezy])flops?", key)
    if flops:
        return Heading(name, "flops", lambda x: x * 10.0 ** POWERS[flops[1]], f"in units of 1e{POWERS[flops[1]]}")
    if PERPLEXITY.search(key):
        return Heading(name, key, np.log, "a perplexity; its logarithm is taken")
    if PER_BYTE.search(key):
        return Heading(name, key, lambda x: x, "in bits per byte, and so are E, A and B")
    without = INFORMATION.sub("", key) or key
    return Heading(name, without, lambda x: x * np.log(2.0), "in bits; times ln 2") if "bits" in key else Heading(name, without)


def match(columns: Mapping[str, Sequence[object]], named: Mapping[str, str]) -> tuple[dict[str, Heading], list[str]]:
    """Our names -> headings of the table, `named` first, then by `GUESSES`, and what was guessed, in a line.

    A guess is a column with something in it, of numbers where a number is meant. Errors: ValueError for a name that is not
    ours or not the table's, and for logarithms of unknown base.
    """
    for name, column in named.items():
        if name not in GUESSES:
            raise ValueError(f"-c {name}={column} (--column): {name!r} is not a column we use; use {', '.join(GUESSES)}")
        if column not in columns:
            raise ValueError(f"-c {name}={column} (--column): no column {column!r} in the table; it has {', '.join(columns)}")
    headings = {one.key: one for one in map(heading, reversed(list(columns))) if not all(map(is_missing, columns[one.name]))}
    lasts = {heading(one.name.rpartition(".")[2]).key: one for one in headings.values() if "." in one.name}
    taken = set(named.values())
    matched = {name: heading(column) for name, column in named.items()}
    for name, guesses in GUESSES.items():
        if name in matched or (name == "step" and "D" in matched):
            continue
        of_names = [guess for guess in guesses if guess.startswith("name")]  # parts of a run's name come last
        ours = [guess for guess in guesses if guess not in of_names]
        last = [lasts.get(guess) for guess in ours if name in LAST_PART]
        for one in [*map(headings.get, ours), *last, *map(headings.get, of_names)]:
            if one and one.name not in taken and (name not in NUMBERS or is_numeric(columns[one.name])):
                matched[name] = one
                taken.add(one.name)
                break
    guessed, stated = [], []
    for name, one in matched.items():
        unit = f", {one.unit}" if one.unit and name in NUMBERS else ""
        if unit and one.convert is None:
            raise ValueError(f"column {one.name!r} is {one.unit} of unknown base; head it log10_{one.key} or ln_{one.key}")
        told = f"{name} is column {one.name!r}{unit}"
        if name not in named and one.name != name and name != "step":
            guessed.append(told)
        elif unit:
            stated.append(told)
    line = [f"guessed: {'; '.join(guessed)} (-c OURS=THEIRS says otherwise)"] if guessed else []
    return matched, line + stated


def unfinished(columns: Mapping[str, Sequence[object]]) -> tuple[str, Array] | None:
    """The column in which a tracker says how runs ended, and a mask of those that did not finish; None where there is none."""
    for name, cells in columns.items():
        states = np.array([str(cell or "").strip().lower() for cell in cells], dtype=object)
        if plain(name) in ("state", "status") and set(states.tolist()) <= UNFINISHED | FINISHED:
            return name, np.array([state in UNFINISHED for state in states.tolist()])
    return None
