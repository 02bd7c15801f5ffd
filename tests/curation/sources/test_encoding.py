"""Pages of 17 languages under right, missing and wrong declarations, with and without a damaged byte."""

from time import process_time

import pytest

from curation.sources.encoding import decode

LANGUAGES = {  # the encodings it was written in before UTF-8, and some text of ours
    "French": (
        "windows-1252 iso-8859-15",
        "Voilà une très vieille maison où l'été passe vite. Les élèves français l'ont déjà visitée, et leur maîtresse aussi.",
    ),
    "German": (
        "windows-1252 iso-8859-1",
        "Die Straße führt über den Fluß zu den schönen Gärten. Viele Häuser stehen dort seit mehr als "
        "fünfzig Jahren, groß und grün.",
    ),
    "Spanish": (
        "iso-8859-1",
        "El niño mañana irá a la montaña con su compañera. ¿Qué dirá después, cuando llegue el otoño? "
        "También vendrá el médico.",
    ),
    "Portuguese": (
        "iso-8859-1",
        "As crianças não estão em casa; foram à estação de manhã. Há também três irmãs que virão amanhã com a avó.",
    ),
    "Polish": (
        "iso-8859-2 windows-1250",
        "Każdy dzień zaczyna się od śniadania i gorącej herbaty. Później idziemy pieszo do szkoły, która stoi nad rzeką Wisłą.",
    ),
    "Czech": (
        "iso-8859-2 windows-1250",
        "Žluťoučký kůň příšerně úpěl ďábelské ódy. Včera večer jsme šli domů přes most a dívali se na řeku.",
    ),
    "Hungarian": (
        "iso-8859-2 windows-1250",
        "Az öreg nő a kertben ül, és a fák között sétáló gyerekeket nézi. Későn érkezett a vonat, de szép idő volt.",
    ),
    "Turkish": (
        "iso-8859-9 windows-1254",
        "Çocuklar bugün okula gitmedi, çünkü yağmur çok şiddetliydi. Akşam üzeri güneş açtı ve bütün şehir ışıl ışıl oldu.",
    ),
    "Russian": (
        "windows-1251 koi8-r iso-8859-5",
        "Старый дом стоит на берегу реки, и каждое утро к нему приходят дети. Они читают книги и смотрят на воду.",
    ),
    "Ukrainian": (
        "windows-1251 koi8-u",
        "Маленьке місто лежить біля великої річки. Щоранку люди йдуть на роботу, а їхні діти поспішають до школи.",
    ),
    "Greek": (
        "iso-8859-7 windows-1253",
        "Το παλιό σπίτι βρίσκεται κοντά στη θάλασσα. Κάθε πρωί τα παιδιά πηγαίνουν στο σχολείο και διαβάζουν βιβλία.",
    ),
    "Hebrew": ("windows-1255", "הבית הישן עומד על שפת הנהר. בכל בוקר באים הילדים לקרוא ספרים ולהביט במים השקטים."),
    "Arabic": (
        "windows-1256 iso-8859-6",
        "البيت القديم يقع على ضفة النهر. في كل صباح يأتي الأطفال ليقرأوا الكتب وينظروا إلى الماء.",
    ),
    "Thai": ("tis-620", "บ้านเก่าตั้งอยู่ริมแม่น้ำ ทุกเช้าเด็กๆ จะมาอ่านหนังสือและมองดูน้ำที่ไหลผ่านไปอย่างช้าๆ"),
    "Japanese": (
        "shift_jis euc-jp iso-2022-jp",
        "古い家は川のほとりに建っています。毎朝、子どもたちが本を読みに来て、静かな水をながめます。",
    ),
    "Chinese (mainland)": ("gb2312", "老房子坐落在河边。每天早晨，孩子们都来这里读书，看着平静的水面。"),
    "Korean": ("euc-kr", "오래된 집은 강가에 서 있습니다. 매일 아침 아이들이 와서 책을 읽고 조용한 물을 바라봅니다."),
}
ODD = {"tis-620": "cp874", "shift_jis": "cp932"}  # Python's own of these names are narrower
CASES = [(language, name) for language, (names, _) in LANGUAGES.items() for name in ("utf-8", *names.split())]


def page(language: str, name: str, meta: str = "", damage: bytes = b"") -> tuple[bytes, str]:
    """A page of `language` in the encoding `name`, and its text."""
    text = LANGUAGES[language][1]
    head = f'<html><head><script>var filler = "{"x" * 1500}";</script>{meta}<title>t</title></head><body><p>'
    body = f"{head}{text}".encode(ODD.get(name, name)) + damage + f" {text}</p></body></html>".encode(ODD.get(name, name))
    return body, f"{text}{chr(0xFFFD) if damage else ''} {text}"


def metas(name: str) -> list[str]:
    return [
        f'<meta charset="{name}">',
        f"<META http-equiv='Content-Type' content='text/html; charset={name}'>",
        f'<!-- <meta charset="koi8-r"> --><meta name=x content="charset=big5"><meta charset = {name} />',
    ]


@pytest.mark.parametrize(("language", "name"), CASES)
def test_declared_by_header_or_page_or_both(language: str, name: str) -> None:
    for meta in ("", *metas(name)):
        for header in (name, f'"{name.upper()}"', *([None, "no-such-encoding"] if meta else [])):
            data, text = page(language, name, meta)
            assert text in decode(data, header), (meta, header)


@pytest.mark.parametrize(("language", "name"), CASES)
def test_a_header_that_lies(language: str, name: str) -> None:
    data, text = page(language, name, metas(name)[0])
    for header in ("utf-8", "iso-8859-1", "windows-1252", "windows-1251", "shift_jis", "gbk"):
        assert text in decode(data, header), header


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_byte_order_mark_is_believed(language: str) -> None:
    for name, mark in (("utf-8", b"\xef\xbb\xbf"), ("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff")):
        data, text = page(language, name, metas("big5")[0])
        found = decode(mark + data, "iso-8859-1")
        assert found.startswith("<html>")
        assert text in found


@pytest.mark.parametrize(("language", "name"), CASES)
def test_a_damaged_byte_is_one_odd_character(language: str, name: str) -> None:
    damage = b"\xff" if name in ("utf-8", "gb2312", "euc-kr", "euc-jp", "big5") else b""  # elsewhere it is a letter
    for header, meta in ((name, ""), (None, metas(name)[0]), ("iso-8859-1", metas(name)[0])):
        data, text = page(language, name, meta, damage)
        assert text in decode(data, header)


@pytest.mark.parametrize("language", LANGUAGES)
def test_undeclared_utf8_and_utf16_need_no_guess(language: str) -> None:
    for name in ("utf-8", "utf-16-le", "utf-16-be"):
        data, text = page(language, name)
        assert text in decode(data)


@pytest.mark.parametrize("piece", [b"<meta ", b"<!-- ", b"<script ", b"<meta a=\"b' ", b"x", b"</style"])
def test_the_time_grows_with_the_page(piece: bytes) -> None:
    """None of the patterns goes back over a page of things without an end: 2 MB took minutes when one did."""
    started = process_time()
    decode(piece * (400_000 // len(piece)) + b"caf\xe9", "utf-8")
    assert process_time() - started < 2
