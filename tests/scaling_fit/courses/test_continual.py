import numpy as np

from scaling_fit.courses.continual import frontiers
from scaling_fit.courses.effect import Course

COURSES = [Course("none", "continual", "old", "new", 0.0), Course("some", "continual", "old", "new", 0.2)]


def test_gain_and_forgetting_by_replay(planted):
    def changed(gain, loss):
        return lambda on, _: gain if on == "domain:code" else loss

    data = planted({"old": 1.0, "some": changed(0.93, 1.01), "none": changed(0.9, 1.05)})
    (found,) = frontiers(data, COURSES[::-1], ("heldout", "domain:code"), 0.95)
    assert [one.course for one in found.replayed] == ["none", "some"]
    assert (found.gained, found.forgot) == (("domain:code",), ("heldout",))
    assert found.replayed[1].on("heldout").low < 1.0 < found.replayed[1].on("heldout").high
    assert found.replayed[1].on("heldout").high < found.replayed[0].on("heldout").low
    assert found.replayed[0].forgotten.low < 5 < found.replayed[0].forgotten.high
    assert found.answer.startswith("Reading new after old: On code (held out) the loss changes by -10.0 [")
    assert "% without replay and -7." in found.answer
    assert "On all held-out text it changes by +5." in found.answer


def test_the_laws_of_gain_and_forgetting_are_recovered(planted):
    def law(c, gamma, left, replay):
        B = 10 * (1 / left - 1)
        return lambda D: np.exp(0.01 * c * (D / 1.6e7) ** gamma / (1 + B * replay))

    def course(replay):
        gain, loss = law(-30, 0.2, 0.97, replay), law(12, 0.6, 0.6, replay)
        return lambda on, D: (gain if on == "domain:code" else loss)(D)

    shares = {"none": 0.0, "some": 0.1, "much": 0.3}
    courses = [Course(name, "continual", "old", "new", replay) for name, replay in shares.items()]
    data = planted({"old": 1.0} | {name: course(replay) for name, replay in shares.items()}, noise=0.002)
    (found,) = frontiers(data, courses, ("heldout", "domain:code"), 0.95)
    forgotten, gained = found.laws
    assert (forgotten.eval_set, gained.eval_set) == ("heldout", "domain:code")
    for told, truth in ((forgotten, (12, 0.6, 0.6)), (gained, (-30, 0.2, 0.97))):
        c, gamma, left = truth
        assert told.change.low < 100 * np.expm1(c / 100) < told.change.high
        assert told.gamma.low < gamma < told.gamma.high
        assert told.left.low < left < told.left.high
        assert told.gamma.high - told.gamma.low < 0.2
        assert told.left.high - told.left.low < 0.2
    assert frontiers(data, courses[:1], ("heldout", "domain:code"), 0.95)[0].laws == (), "one share of replay has no law"
