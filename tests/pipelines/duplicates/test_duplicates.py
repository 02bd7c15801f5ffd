"""The duplicates step: against all pairs, over shards, partitions and executors, and from where it broke off."""

from itertools import combinations, pairwise

import numpy as np
import pyarrow as pa
import pytest
from rich.console import Console

from curation.document import SCHEMA, Batch, doc_id
from curation.duplicates.candidates import Bands
from curation.duplicates.clusters import components
from curation.hashing import uid
from curation.signals.signatures import exact, minhash, shingle_sets, units, url
from pipelines.duplicates import components as components_step
from pipelines.duplicates import duplicate_shards
from pipelines.duplicates import duplicates as duplicates_step
from pipelines.duplicates.duplicates import Duplicates, SignedPool, duplicates_of_all, find_duplicates
from pipelines.duplicates.evidence import evidence_files, pairs_with
from pipelines.engine.executor import InProcess
from pipelines.engine.progress import Progress
from pipelines.engine.run import Context, run_step
from pipelines.engine.step import Step, load_manifest
from pipelines.engine.workdir import Workdir


def corpus(documents: int = 400, seed: int = 0) -> pa.Table:
    """Documents of random words: a third are edits of another, some exact copies but for case, some short, some empty."""
    random = np.random.default_rng(seed)
    texts: list[str] = []
    for d in range(documents):
        kind = random.integers(0, 10)
        if d > 10 and kind < 3:
            words = texts[random.integers(0, d)].split()
            for _ in range(random.integers(1, 6)):
                if words:
                    words[random.integers(0, len(words))] = f"edit{random.integers(0, 1000)}"
            texts.append(" ".join(words))
        elif d > 10 and kind == 3:
            texts.append(texts[random.integers(0, d)].upper() + "!")
        elif kind == 4:
            texts.append(" ".join(f"s{i}" for i in random.integers(0, 3, random.integers(0, 4))))
        else:
            texts.append(" ".join(f"w{i}" for i in random.integers(0, 5000, random.integers(20, 120))))
    return pa.table(
        {
            "uid": uid("test", "file", np.arange(documents)),
            "text": pa.array(texts, pa.large_string()),
            "source": [f"source{d % 2}" for d in range(documents)],
            "domain": ["web"] * documents,
            "url": [f"http://site.org/{d % 90}" if d % 3 else None for d in range(documents)],
            "date": [f"20{d % 20:02d}" for d in range(documents)],
            "meta": [None] * documents,
        }
    )


def write_shard(out, documents, made=None):
    if made is None:
        number = 1000 * out.index  # shard numbers have gaps
        table = pa.table([pa.array(doc_id(number, documents.num_rows)), *documents.columns], schema=SCHEMA)
        with out.parquet(f"shard-{number:08d}.parquet", SCHEMA) as writer:
            for start in range(0, max(table.num_rows, 1), 37):
                writer.write_table(table.slice(start, 37))
    else:
        out.write_table(f"shard-{out.index:05d}.parquet", made)
    return {"text_bytes": documents["text"].nbytes, "documents": documents.num_rows}


def prepare(context: Context, documents: pa.Table, shards: int, declared: Duplicates):
    """The pool of `documents` in `shards` shards, and the two signals, as manifests."""
    bounds = np.linspace(0, documents.num_rows, shards + 1).astype(int)
    parts = [documents.slice(a, b - a) for a, b in pairwise(bounds.tolist())]
    pool = run_step(context, Step("pool", {"shards": shards}, compute=write_shard, units=lambda: [(part,) for part in parts]))
    signals = {}
    for name, params in declared.signals().items():
        compute = {"minhash": minhash, "exact": exact, "url": url}[name]
        tables = [(part, compute(Batch(part), **params)) for part in parts]
        step = Step(f"signals/{name}", params, {"pool": pool}, compute=write_shard, units=lambda tables=tables: tables)
        signals[name] = run_step(context, step)
    return pool, signals


def context_at(path, executor=None) -> Context:
    workdir = Workdir(str(path))
    return Context(workdir, executor or InProcess(), Progress(workdir, Console(quiet=True)))


def result(context: Context, manifest, documents: pa.Table) -> dict[int, dict]:
    """Rows of the signal by uid, and the pool's order checked on the way."""
    rows = pa.concat_tables([context.workdir.read_table(file) for file in manifest.files()])
    assert rows.num_rows == documents.num_rows
    assert (np.diff(rows["doc_id"].to_numpy().astype(np.int64)) > 0).all()
    listed = [{k: v for k, v in row.items() if k != "doc_id"} for row in rows.to_pylist()]
    return dict(zip(documents["uid"].to_pylist(), listed, strict=True))


def brute_force(documents: pa.Table, threshold: float) -> dict[int, int]:
    """Cluster of each uid from all pairs: equal words, or Jaccard of 5-gram sets at the threshold."""
    batch, ids = Batch(documents), documents["uid"].to_pylist()
    hash_S, bounds = shingle_sets(units(batch.words, "word"), 5)
    sets = [set(hash_S[bounds[d] : bounds[d + 1]].tolist()) for d in range(len(ids))]
    words = [tuple(w.lower() for w in batch.words.spelled(d)) or documents["text"][d].as_py() for d in range(len(ids))]
    edges = [(a, a) for a in ids]
    for a, b in combinations(range(len(ids)), 2):
        union = len(sets[a] | sets[b])
        if words[a] == words[b] or (union and len(sets[a] & sets[b]) / union >= threshold):
            edges.append((ids[a], ids[b]))
    node, root = components(*np.array(edges, np.uint64).T)
    return dict(zip(node.tolist(), root.tolist(), strict=True))


def test_clusters_equal_all_pairs_and_the_counts_agree(tmp_path):
    """64 x 2 bands miss no pair of Jaccard 0.5 (one in 1e8), so the clusters must be those of all pairs."""
    declared, documents = Duplicates(bands=64, rows=2, threshold=0.5), corpus()
    context = context_at(tmp_path)
    manifest = find_duplicates(context, *prepare(context, documents, 3, declared), declared)
    rows, want = result(context, manifest, documents), brute_force(documents, 0.5)
    assert {u: row["cluster"] for u, row in rows.items()} == want
    members: dict[int, list[int]] = {}
    for u, c in want.items():
        members.setdefault(c, []).append(u)
    lengths = dict(zip(documents["uid"].to_pylist(), (len(t.encode()) for t in documents["text"].to_pylist()), strict=True))
    for cluster in members.values():
        assert {rows[u]["cluster_size"] for u in cluster} == {len(cluster)}
        best = min(cluster, key=lambda u: (-lengths[u], u))
        assert [u for u in cluster if rows[u]["survivor"]] == [best]
    by_exact: dict[int, list[int]] = {}
    for u, row in rows.items():
        by_exact.setdefault(row["exact"], []).append(u)
    for copies in by_exact.values():
        assert sum(rows[u]["exact_survivor"] for u in copies) == 1
    summary = manifest.summary
    assert summary["documents"] == 400
    assert summary["duplicates"] == 400 - len(members)
    assert summary["exact_duplicates"] == 400 - len(by_exact)
    assert summary["short"] > 0
    assert summary["untested"] == 0
    assert len(members) < 330 < 400  # the corpus does have duplicates


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    context, declared, documents = context_at(tmp_path_factory.mktemp("reference")), Duplicates(), corpus()
    return result(context, find_duplicates(context, *prepare(context, documents, 4, declared), declared), documents)


@pytest.mark.parametrize("shards", [1, 7])
def test_shards_and_their_order_change_nothing(tmp_path, reference, shards):
    documents = corpus()
    documents = documents.take(pa.array(np.random.default_rng(shards).permutation(documents.num_rows)))
    context, declared = context_at(tmp_path), Duplicates()
    assert (
        result(context, find_duplicates(context, *prepare(context, documents, shards, declared), declared), documents)
        == reference
    )


def test_partitions_change_nothing(tmp_path, reference, monkeypatch):
    """Many partitions in every phase, and components by stars instead of in memory."""
    monkeypatch.setattr(duplicates_step, "KEYS_PER_PARTITION", 1_000)
    monkeypatch.setattr(duplicates_step, "SET_PARTITION", 3_000)
    monkeypatch.setattr(duplicate_shards, "SHARDS_PER_RANGE", 2)
    monkeypatch.setattr(duplicates_step, "SHARDS_PER_RANGE", 2)
    monkeypatch.setattr(components_step, "IN_MEMORY", 10)
    monkeypatch.setattr(components_step, "EDGES_PER_PARTITION", 150)
    context, declared, documents = context_at(tmp_path), Duplicates(), corpus()
    manifest = find_duplicates(context, *prepare(context, documents, 5, declared), declared)
    assert result(context, manifest, documents) == reference
    steps = context.workdir.listing("duplicates")
    assert "stars-02-small" in steps
    assert len(list((tmp_path / "duplicates/sets").glob("*/sets-*.parquet"))) == 5


def planted_pairs(jaccards: list[float], pairs: int) -> tuple[pa.Table, np.ndarray]:
    """`pairs` pairs of documents of each similarity, and the true one of every pair: words shared at the start, then their own.

    `common` shared 5-grams and `own` more on each side make common / (common + 2 * own).
    """
    random, texts, true = np.random.default_rng(7), [], []
    for jaccard in jaccards:
        common = 140
        own = round(common * (1 - jaccard) / jaccard / 2)
        for _ in range(pairs):
            words = random.integers(0, 10**9, common + 4 + 2 * own).astype(str).tolist()
            shared, left, right = words[: common + 4], words[common + 4 :][:own], words[common + 4 :][own:]
            texts += [" ".join(shared + left), " ".join(shared + right)]
            true.append(common / (common + 2 * own))
    n = len(texts)
    columns = [uid("test", "planted", np.arange(n)), texts, ["s"] * n, ["d"] * n, [None] * n, [None] * n, [None] * n]
    return pa.table(columns, schema=pa.schema(list(SCHEMA)[1:])), np.array(true)


def test_planted_duplicates_are_found_as_often_as_the_curve_says_and_no_others(tmp_path):
    """Text to clusters: candidates within three standard errors of 14 x 8's curve, verified clusters right to 1 in 1,000."""
    pairs = 300
    documents, true_P = planted_pairs([0.3, 0.5, 0.6, 0.65, 0.75, 0.8, 0.9, 1.0], pairs)
    ids = documents["uid"].to_numpy().reshape(-1, 2)
    together = {}
    for verify in ("off", "jaccard"):
        context, declared = context_at(tmp_path / verify), Duplicates(bands=14, rows=8, verify=verify, threshold=0.7)
        manifest = find_duplicates(context, *prepare(context, documents, 3, declared), declared)
        rows = result(context, manifest, documents)
        assert all(row["cluster_size"] <= 2 for row in rows.values())
        together[verify] = np.array([rows[a]["cluster"] == rows[b]["cluster"] for a, b in ids.tolist()])
    promised = Bands(14, 8).probability(true_P)
    for level in range(0, len(true_P), pairs):
        p = promised[level]
        for verify, found_P in together.items():
            if verify == "off" or true_P[level] >= 0.7:
                rate = found_P[level : level + pairs].mean()
                assert abs(rate - p) <= 3 * np.sqrt(p * (1 - p) / pairs), (verify, true_P[level], rate, p)
    found_P = together["jaccard"]
    assert (true_P[found_P] >= 0.7).mean() >= 0.999
    assert (true_P[together["off"]] >= 0.7).mean() < 0.999  # there was something to drop


def test_an_object_store_gives_the_same_manifests(tmp_path):
    declared, documents, made = Duplicates(), corpus(120), []
    for root in (tmp_path, f"memory://{tmp_path.name}"):
        context = context_at(root)
        manifest = find_duplicates(context, *prepare(context, documents, 3, declared), declared)
        made.append((manifest.to_bytes(), result(context, manifest, documents)))
    assert made[0] == made[1]


def test_a_scope_keeps_sources_apart(tmp_path):
    declared, documents = Duplicates(scope="source", bands=64, rows=2, threshold=0.5), corpus()
    context = context_at(tmp_path)
    rows = result(context, find_duplicates(context, *prepare(context, documents, 2, declared), declared), documents)
    want = {}
    for source in ("source0", "source1"):
        want |= brute_force(documents.filter(np.array(documents["source"].to_pylist()) == source), 0.5)
    assert {u: row["cluster"] for u, row in rows.items()} == want


def test_verification_off_keeps_whole_components(tmp_path, reference):
    declared, documents = Duplicates(verify="off"), corpus()
    context = context_at(tmp_path)
    manifest = find_duplicates(context, *prepare(context, documents, 2, declared), declared)
    rows = result(context, manifest, documents)
    assert manifest.summary["tested"] == 0
    for u, row in rows.items():  # a verified cluster lies in one component
        assert rows[reference[u]["cluster"]]["cluster"] == row["cluster"]


def test_urls_make_clusters_of_their_own(tmp_path):
    declared, documents = Duplicates(by="url", survivor=("-date",)), corpus(300)
    context = context_at(tmp_path)
    manifest = find_duplicates(context, *prepare(context, documents, 3, declared), declared)
    assert manifest.step.name == "signals/duplicates_url"
    rows = result(context, manifest, documents)
    by_url: dict[str, list[tuple[str, int]]] = {}
    for row in documents.to_pylist():
        by_url.setdefault(row["url"] or str(row["uid"]), []).append((row["date"], row["uid"]))
    for copies in by_url.values():
        assert {rows[u]["cluster"] for _, u in copies} == {min(u for _, u in copies)}
        assert [u for _, u in copies if rows[u]["survivor"]] == [min(copies)[1]]
    assert len(by_url) < 300


@pytest.mark.parametrize("removes", ["linked", "verified"])
def test_new_shards_join_as_if_they_had_been_there(tmp_path, reference, removes):
    """The first 250 documents are deduplicated; the rest come later, as a pool with shard numbers and a folder of its own."""
    declared, documents = Duplicates(removes=removes), corpus()
    if removes != "linked":
        whole = context_at(tmp_path / "whole")
        reference = result(whole, find_duplicates(whole, *prepare(whole, documents, 4, declared), declared), documents)
    context, later = context_at(tmp_path / "before"), context_at(tmp_path / "later")
    pool, signals = prepare(context, documents.slice(0, 250), 3, declared)
    find_duplicates(context, pool, signals, declared)
    there = {name: load_manifest(context.workdir, made.step.path) for name, made in signals.items()}
    old = SignedPool(load_manifest(context.workdir, pool.step.path), there)
    written = {p: p.stat().st_mtime_ns for p in (tmp_path / "before").rglob("*")}
    new = prepare(later, documents.slice(250), 2, declared)
    again, joined = duplicates_of_all(later, [old, SignedPool(*new)], declared)
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "before").rglob("*")} == written, "the earlier folder is only read"
    found = result(later, again, documents.slice(0, 250)) | result(later, joined, documents.slice(250))
    assert found == reference
    assert find_duplicates(later, *new, declared, earlier=[old]).to_bytes() == joined.to_bytes()


def shingles(documents: pa.Table) -> dict[int, set[int]]:
    hash_S, bounds = shingle_sets(units(Batch(documents).words, "word"), 5)
    return {u: set(hash_S[bounds[d] : bounds[d + 1]].tolist()) for d, u in enumerate(documents["uid"].to_pylist())}


@pytest.mark.parametrize("removes", ["verified", "contained"])
def test_what_goes_is_verified_against_what_stays(tmp_path, removes):
    """Over all pairs (64 x 2 bands miss none): no document goes but for one that stays, and no two that stay are near."""
    declared = Duplicates(
        bands=64, rows=2, threshold=0.6, removes=removes, verify="containment" if removes == "contained" else "jaccard"
    )
    context, documents = context_at(tmp_path), corpus(600, seed=2)
    rows = result(context, find_duplicates(context, *prepare(context, documents, 3, declared), declared), documents)
    sets = shingles(documents)

    def near(a: int, b: int) -> bool:
        """b goes for a."""
        whole = len(sets[b]) if removes == "contained" else len(sets[a] | sets[b])
        return bool(sets[a] and sets[b]) and len(sets[a] & sets[b]) >= 0.6 * whole

    by_verdict = {True: [], False: []}
    for u, row in rows.items():
        by_verdict[row["survivor"]].append(u)
        assert rows[row["kept_uid"]]["survivor"]
        assert (row["kept_uid"] == u) == row["survivor"]
        if not row["survivor"] and rows[row["kept_uid"]]["exact"] != row["exact"]:
            assert near(row["kept_uid"], u)
            assert removes != "contained" or len(sets[row["kept_uid"]]) >= len(sets[u])
    assert not [(a, b) for a, b in combinations(by_verdict[True], 2) if near(a, b) or near(b, a)]
    linked = sum(row["cluster_size"] > 1 for row in rows.values()) - len(
        {r["cluster"] for r in rows.values() if r["cluster_size"] > 1}
    )
    assert 0 < len(by_verdict[False]) < linked, "as many as by links: the corpus has no chain"


def test_evidence_has_every_pair_that_was_tested(tmp_path, monkeypatch):
    """Of small and of large components: similarities are those of the sets, and the accepted pairs make the clusters."""
    documents, plain = corpus(), Duplicates()
    for large in (components_step.LARGE, 3):
        monkeypatch.setattr(components_step, "LARGE", large)
        context, declared = context_at(tmp_path / str(large)), Duplicates(evidence=True)
        inputs = prepare(context, documents, 3, declared)
        manifest = find_duplicates(context, *inputs, declared)
        files = evidence_files(manifest)
        table = pa.concat_tables([context.workdir.read_table(file) for file in files])
        assert table.num_rows > 50
        assert large == 3 or table.num_rows == manifest.summary["tested"]
        sets = shingles(documents)
        for pair in table.to_pylist():
            a, b = sets[pair["uid_a"]], sets[pair["uid_b"]]
            assert (pair["shingles_a"], pair["shingles_b"], pair["shared"]) == (len(a), len(b), len(a & b))
            assert pair["jaccard"] == pytest.approx(len(a & b) / len(a | b))
            assert pair["accepted"] == (len(a & b) / len(a | b) >= declared.threshold)
        rows = result(context, manifest, documents)
        accepted = table.filter(pa.array(table["accepted"].to_numpy()))
        for a, b in zip(accepted["uid_a"].to_pylist(), accepted["uid_b"].to_pylist(), strict=True):
            assert rows[a]["cluster"] == rows[b]["cluster"]
        assert not table["accepted"].to_numpy().all(), "no candidate was false: the corpus is too easy"
        one = accepted["uid_a"][0].as_py()
        assert {one} <= {u for p in pairs_with(context.workdir, files, one).to_pylist() for u in (p["uid_a"], p["uid_b"])}
        without = context_at(tmp_path / f"plain-{large}")
        made = find_duplicates(without, *prepare(without, documents, 3, plain), plain)
        assert result(without, made, documents) == rows
        assert evidence_files(made) == []


def test_survivor_of_an_unknown_signal_is_refused_before_anything_runs(tmp_path):
    context, declared = context_at(tmp_path), Duplicates(survivor=("quality.score",))
    inputs = prepare(context, corpus(20), 1, declared)
    with pytest.raises(ValueError, match=r"the signal 'quality' is needed"):
        find_duplicates(context, *inputs, declared)
    assert context.workdir.listing("duplicates") == []
