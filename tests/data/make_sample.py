"""Write sample.jsonl: 100 KB of text of many kinds, all made here from small grammars. `python tests/data/make_sample.py`

Prose, dialogue, lists, tables, code, markup, mail, boilerplate, near and exact copies, ten languages, and text broken in the
ways that crawls break it. One JSON object a line: id, domain (the kind), text. The same bytes on every machine: chance comes
from a linear congruential generator (Knuth, MMIX), not from the standard library.
"""

import json
from collections.abc import Callable
from pathlib import Path

SAMPLE = Path(__file__).with_name("sample.jsonl")


class Chance:
    """Draws that are the same under every version of Python."""

    def __init__(self, seed: int):
        self.state = seed

    def below(self, n: int) -> int:
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % n

    def of(self, options: list[str]) -> str:
        return options[self.below(len(options))]

    def fill(self, template: str) -> str:
        """The template with every <name> replaced by a draw from the word list of that name."""
        while "<" in template:
            before, _, rest = template.partition("<")
            name, _, after = rest.partition(">")
            template = before + self.of(WORDS[name]) + after
        return template

    def sentences(self, templates: list[str], n: int) -> str:
        return " ".join(self.fill(self.of(templates)) for _ in range(n))


WORDS = {
    "thing": "harbour orchard ledger kettle lantern bridge garden compass quarry mill ferry attic chimney violin map pump "
             "workshop vineyard telescope cellar staircase tower canal archive bakery barn cart meadow glacier signal".split(),
    "who": "carpenter teacher surveyor baker gardener neighbour clerk pilot weaver librarian miller sailor physician "
           "apprentice council engineer widow shepherd painter archivist".split(),
    "how": "old narrow quiet wooden bright forgotten heavy careful northern curious broken patient familiar distant early "
           "crowded silver ordinary stubborn warm".split(),
    "did": "repaired measured described crossed borrowed painted abandoned inherited visited counted recorded carried "
           "opened replaced admired drained fenced catalogued mistook guarded".split(),
    "verb": "repair measure describe cross borrow paint inherit visit count record carry open replace admire".split(),
    "where": "near the river;behind the school;above the valley;at the edge of the town;under the arches;beyond the second "
             "gate;along the coast road;in the upper field;beside the station;between the two hills".split(";"),
    "when": "before the first frost;in the spring of that year;after a long debate;every other Tuesday;by the end of the "
            "week;long after the market closed;within three days;during the flood of 1887;on 14 March;at half past six".split(";"),
    "why": "because the rain had not stopped;so that the others could follow;although nobody had asked for it;since the "
           "money was already spent;as if it had always been there;which surprised the whole council;and that was the end "
           "of it;but the letters tell another story".split(";"),
    "name": "Mrs. Alder;Dr. Finch;Mr. Quill;Prof. Marsh;Captain Rowe;St. John Vale;J. R. Thorne;Ms. Okafor".split(";"),
    "number": "2 3 4 7 11 12 24 31 48 60 75 96 120 250 1,200 3.5 0.75 40%".split(),
    "unit": "metres pages barrels hours steps crowns litres loaves".split(),
}  # fmt: skip
PROSE = [
    "The <how> <thing> <where> was <did> by the <who> <when>, <why>.",
    "It is said that the <who> <did> a <how> <thing> and kept it with the others <where>.",
    "They have <number> <unit> of it, and the <who> will <verb> the rest <when>.",
    "Of all the <how> things that the <who> had to <verb>, the <thing> was the one to be <did> first.",
    "<name> <did> the <thing> <when>; the <who> did not believe it, <why>.",
    "What happened to the <thing>? Nobody <where> could say with certainty, <why>.",
    "In the notes of the <who>, the <how> <thing> (No. <number>) appears twice, once with a drawing.",
    "There is a <how> path from the <thing> to the <thing>, about <number> <unit> long, that the <who> would <verb>.",
    "The <who>'s account isn't clear: the <thing>, e.g., is called <how> on one page and <how> on the next...",
]
TALK = [
    "“Have you seen the <thing>?” asked the <who>.",
    "“Not since <name> <did> it,” said the <who>, <why>.",
    '"It will be <how>," she said, "and the <who> will <verb> it <when>!"',
    "‘Well—perhaps,’ the <who> answered, and <did> the <how> <thing>.",
    "For a while they <did> the <thing> in silence, <why>.",
]
FOREIGN = {
    "german": (["Die alte {0} am {1} wurde im Jahr {2} von der Gemeinde gekauft, weil niemand sonst sie haben wollte.",
                "Grüße aus {1}: das Wetter ist schön, und wir haben {2} Äpfel über die Brücke getragen."],
               ["Mühle", "Schule", "Kirche", "Bäckerei"], ["Fluss", "Markt", "Südhang", "Bahnhof"]),
    "french": (["La vieille {0} près du {1} a été vendue en {2}, car personne n'en voulait plus, dit-on.",
                "«\u00a0Où est la {0}\u00a0?\u00a0» demanda-t-elle\u00a0; au {1}, il y en avait {2}."],
               ["maison", "fenêtre", "école", "bibliothèque"], ["port", "château", "marché", "jardin"]),
    "spanish": (["¿Dónde está la {0}? Según el {1}, la dejaron allí en {2}, y nadie volvió por ella.",
                 "El {1} tenía una {0} pequeña; en {2} la pintaron de azul los niños del pueblo."],
                ["campana", "montaña", "carta", "mañana"], ["vecino", "señor", "alcalde", "río"]),
    "turkish": (["Eski {0} bu yıl yeniden açıldı; {1} {2} kişi için çay hazırladı.",
                 "{1} bana {0} hakkında {2} soru sordu, ben de bildiğim kadarını anlattım."],
                ["kütüphane", "çarşı", "iskele", "bağ"], ["öğretmen", "komşu", "bahçıvan", "yeğenim"]),
    "russian": (["Старая {0} стоит у реки с {2} года, и {1} помнит её другой.",
                 "{1} сказал, что {0} закрыта; приходите в {2}."],
                ["мельница", "школа", "лавка", "башня"], ["сосед", "учитель", "писарь", "дед"]),
    "greek": (["Η παλιά {0} κοντά στο {1} έκλεισε το {2}, και κανείς δεν την άνοιξε ξανά."],
              ["βρύση", "αγορά", "γέφυρα"], ["λιμάνι", "σχολείο", "ποτάμι"]),
    "chinese": (["{1}在{2}年修好了这座{0}，村里的人都很高兴。", "“{0}在哪里？”{1}问。没有人知道。"],
                ["桥", "学校", "花园", "水井"], ["老师", "木匠", "邻居", "船夫"]),
    "japanese": (["{1}は{2}年に古い{0}を直しました。だれも気がつきませんでした。"],
                 ["橋", "学校", "カメラ", "灯台"], ["大工", "先生", "船長"]),
    "arabic": (["في عام {2} اشترى {1} {0} قديمة قرب النهر، ولم يعرف أحد السبب؟"],
               ["مطحنة", "مدرسة", "حديقة"], ["الجار", "المعلم", "النجار"]),
    "hindi": (["{1} ने {2} में पुराना {0} खरीदा, और सब लोग देखने आए।"],
              ["पुल", "घर", "बाग"], ["पड़ोसी", "शिक्षक", "माली"]),
}  # fmt: skip
BOILERPLATE = [
    "We use cookies to give you the best experience. Read our cookie policy.", "Please enable JavaScript to view this page.",
    "Terms of use | Privacy policy | Contact | Sitemap", "Copyright 2019 The <thing> Company. All rights reserved.",
    "Share this:  Tweet  Email  Print", "Read more ...", "Sign in or register to post comments.", "0 comments",
    "Lorem ipsum dolor sit amet, consectetur adipiscing elit.", "Posted by admin in News <when>.",
]  # fmt: skip


def essay(chance: Chance) -> str:
    return "\n\n".join(chance.sentences(PROSE, 3 + chance.below(5)) for _ in range(1 + chance.below(4)))


def dialogue(chance: Chance) -> str:
    return "\n".join(chance.sentences(TALK, 1 + chance.below(3)) for _ in range(6 + chance.below(8)))


def listing(chance: Chance) -> str:
    bullet = chance.of(["- ", "• ", "* ", "1. ", ""])
    items = [chance.fill(f"{bullet}<number> <unit> of <how> <thing>") for _ in range(4 + chance.below(14))]
    return "\n".join([chance.fill("What the <who> needs:"), *items, chance.fill("Bring it <when>.")])


def table(chance: Chance) -> str:
    rows = [chance.fill("<thing>\t<number>\t<who>\t2021-04-14") for _ in range(12)]
    return "\n".join(["item\tcount\towner\tdate", *rows])


def code(chance: Chance) -> str:
    name, other = chance.of(WORDS["thing"]), chance.of(WORDS["thing"])
    if chance.below(2):
        return (
            f'"""Count every {name}."""\n\nimport sys\n\n\ndef {name}(values, *, limit=10):\n    """Return at most `limit` values."""\n'
            f"    {other} = {{}}\n    for i, value in enumerate(values):\n        if value is None or i >= limit:\n            continue\n"
            f"        {other}[value] = {other}.get(value, 0) + 1  # {chance.fill('the <how> one')}\n    return sorted({other}.items())\n\n\n"
            f'if __name__ == "__main__":\n    print({name}(sys.argv[1:]))\n'
        )
    return (
        f"/* {chance.fill('A <how> <thing>.')} */\n#include <stdio.h>\n\nint {name}_{other}(const int *values, size_t n) {{\n    int total = 0;\n"
        f"    for (size_t i = 0; i < n; ++i) {{\n        if (values[i] > 0x7f) {{ total += values[i] << 2; }}\n    }}\n    return total;\n}}\n\n"
        f'int main(void) {{\n    printf("%d\\n", {name}_{other}(NULL, 0));\n    return 0;\n}}\n'
    )


def markup(chance: Chance) -> str:
    title = chance.fill("The <how> <thing>")
    paragraphs = "".join(f"<p>{chance.sentences(PROSE, 2)}</p>\n" for _ in range(3))
    links = " | ".join(f'<a href="/{word}/{chance.below(90)}.html">{word}</a>' for word in WORDS["thing"][:8])
    return (
        f"<!DOCTYPE html>\n<html><head><title>{title}</title><script>var x = {{a: 1}};</script></head>\n<body><nav>{links}</nav>\n"
        f"<h1>{title} &amp; others</h1>\n{paragraphs}<footer>&copy; 2020</footer></body></html>\n"
    )


def mail(chance: Chance) -> str:
    body = chance.sentences(PROSE, 2 + chance.below(4))
    quoted = "\n".join("> " + chance.fill(chance.of(PROSE)) for _ in range(3))
    return (
        f"From: {chance.of(WORDS['who'])}{chance.below(99)}@example.org\nTo: list@lists.example.com\nSubject: Re: the {chance.of(WORDS['thing'])}\n"
        f"Received: from 10.0.{chance.below(255)}.{chance.below(255)} by mail.example.net (198.51.{chance.below(100)}.7)\n\n"
        f"On Tuesday, {chance.of(WORDS['name'])} wrote:\n{quoted}\n\n{body}\n\n-- \n{chance.of(WORDS['name'])}, tel. +44 20 7946 0{chance.below(900) + 100}\n"
    )


def boilerplate(chance: Chance) -> str:
    lines = [chance.fill(chance.of(BOILERPLATE)) for _ in range(6 + chance.below(8))]
    if chance.below(2):
        lines.insert(3, chance.sentences(PROSE, 4))
    return "\n".join(lines)


def foreign(language: str) -> Callable[[Chance], str]:
    templates, things, people = FOREIGN[language]

    def text(chance: Chance) -> str:
        joint = "" if language in ("chinese", "japanese") else " "
        return joint.join(
            chance.of(templates).format(chance.of(things), chance.of(people), 1800 + chance.below(220)) for _ in range(8)
        )

    return text


def near_copy(text: str, chance: Chance) -> str:
    """One word in thirty replaced."""
    return " ".join(chance.of(WORDS["thing"]) if chance.below(30) == 0 else word for word in text.split(" "))


def broken(chance: Chance) -> list[str]:
    """Text as crawls break it."""
    prose = chance.sentences(PROSE, 6)
    german = foreign("german")(chance)
    return [
        "", " ", "\n\n\n", "word", "....", "?!?!?! ??? !!!", "あ" * 40, "a" * 2000, prose.upper(), prose.replace(" ", "\u00a0"),
        german.encode().decode("cp1252"), prose.replace(". ", ".\u2028"), "\ufeff" + prose, prose.replace("e", "e\u200b"),
        prose.replace("a", "a\x00").replace("o", "o\x0b"), "\n".join([chance.fill(PROSE[0])] * 12),
        "\n\n".join([chance.sentences(PROSE, 2)] * 5), prose.replace(". ", "...\n"), "{ " + prose + " }", prose[:-1] + "…",
        " ".join(f"{chance.below(2**31):08x}" for _ in range(80)), "buy now " * 60, prose.replace(" ", ""), prose.replace("’", "\ufffd") + "\ufffd",
        "e\u0301te\u0301 " * 20 + prose, "😀 🇫🇷 " * 15 + prose, "\r\n".join(prose.split(". ")), "\t".join(prose.split(" ")),
        "http://example.org/" + "/".join(WORDS["thing"]) + " " + prose, "# " + "\n# ".join(prose.split(". ")), "0123456789 " * 40, "\u202e" + prose,
    ]  # fmt: skip


def documents() -> list[tuple[str, str]]:
    """(kind, text) of every document, in the order of the file."""
    chance = Chance(20)
    kinds: list[tuple[str, Callable[[Chance], str], int]] = [
        ("essay", essay, 34), ("dialogue", dialogue, 8), ("list", listing, 8), ("table", table, 2), ("code", code, 8),
        ("markup", markup, 5), ("mail", mail, 7), ("boilerplate", boilerplate, 7),
        *((language, foreign(language), 1) for language in FOREIGN),
    ]  # fmt: skip
    made = [(kind, make(chance)) for kind, make, n in kinds for _ in range(n)]
    essays = [text for kind, text in made if kind == "essay"]
    made += [("copy", near_copy(text, chance)) for text in essays[:8]] + [("copy", text) for text in essays[8:10]]
    return made + [("broken", text) for text in broken(chance)]


def main() -> None:
    lines = [
        json.dumps({"id": f"{kind}-{number}", "domain": kind, "text": text}, ensure_ascii=True)
        for number, (kind, text) in enumerate(documents())
    ]
    SAMPLE.write_text("\n".join(lines) + "\n", "ascii")


if __name__ == "__main__":
    main()
