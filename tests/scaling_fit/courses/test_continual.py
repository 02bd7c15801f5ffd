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
    assert found.answer.startswith(
        "Reading new after old: the loss falls surely on code (held out) and rises surely on all held-out"
    )
    assert "With 20% replay it is -7." in found.answer
