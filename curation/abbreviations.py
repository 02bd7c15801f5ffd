"""Abbreviations, emoticons and contractions that spaCy does not cut as other text (lang/en/tokenizer_exceptions.py).

Shapes: N bytes, E slots of a hash table.
"""

from functools import cache

import numpy as np

from curation.compiled import inner
from curation.words import hash_bytes

LONGEST_EXCEPTION = 12  # bytes
TABLE = 2048  # slots for some 400 exceptions
WHOLE = (
    "Adm. Ak. Ala. Apr. Ariz. Ark. Aug. Bros. Calif. Co. Colo. Conn. Corp. D.C. Dec. Del. Dr. E.G. E.g. Feb. Fla. "
    "Ga. Gen. Gov. I.E. I.e. Ia. Id. Ill. Inc. Ind. Jan. Jr. Jul. Jun. Kan. Kans. Ky. La. Ltd. Mar. Mass. Md. "
    "Messrs. Mich. Minn. Miss. Mo. Mont. Mr. Mrs. Ms. Mt. N.C. N.D. N.H. N.J. N.M. N.Y. Neb. Nebr. Nev. Nov. Oct. "
    "Okla. Ore. Pa. Ph.D. Prof. Rep. Rev. S.C. Sen. Sep. Sept. St. Tenn. Va. Wash. Wis. a. b. c. d. e. f. g. h. i. "
    "j. k. l. m. n. o. p. q. r. s. t. u. v. w. x. y. z. a.m. p.m. co. e.g. i.e. v.s. vs. C++ and/or w/o 's 'S 'em "
    "'ll 're 'd 'Cause 'cause 'Cos 'cos ma'am o'clock \u2019s \u2019S '' \u2019\u2019 :) :( ;) :-) :-( "
    ";-) :/ :-/ :D :-D ;D :P :p :-P :-p =) =( =/ =D =] =[ :] :} :| :-| :-] :-} :3 :0 :1 :x :X :o :O :> 8) 8-) 8D <3 "
    "<33 </3 ^_^ ^__^ >.< <.< >.> -_- -__- ;_; :'( :') :'-( :'-) :(( :((( :)) :))) :* :-* :() xD XD xDD XDD (: (; (= "
    "(-: (-; ): )-: [: [= ]= [-: @_@ o_o O_O o.o O.O o_O O_o o.O O.o 0_0 0.0 v_v V_V (*_*) (-_-) \\n \\t"
)
SPLIT = {  # contractions without their apostrophe, by the length of the first part; capitalised too
    1: "id im ive yall",
    2: "y'all aint cant dont hed hes isnt itd itll wed weve wont",
    3: "arent cannot didnt gonna gotta hadnt hasnt howd howll howre hows howve shant shes wasnt whod wholl whos whove "
    "whyd whys youd youll youre youve",
    4: "darent doesnt havent mustnt mustve neednt thatd thatll thats theyd theyll theyre theyve werent whatd whatll "
    "whatre whats whatve whend whens",
    5: "couldnt couldve mightnt mightve oughtnt thered therell theres whered wheres wouldnt wouldve",
    6: "shouldnt shouldve",
}


@cache
def exceptions() -> tuple[np.ndarray, np.ndarray]:
    """(key_E uint64, cut_E int64): a hash table of the exceptions and after how many bytes each is cut (0: not at all)."""
    cuts = dict.fromkeys(WHOLE.split(), 0)
    cuts |= {f"{hour}{half}": len(str(hour)) for hour in range(1, 13) for half in ("am", "pm", "a.m.", "p.m.")}
    for length, words in SPLIT.items():
        cuts |= {spelled: length for word in words.split() for spelled in (word, word.capitalize())}
    key_E, cut_E = np.zeros(TABLE, np.uint64), np.zeros(TABLE, np.int64)
    for word, length in cuts.items():
        utf8 = np.frombuffer(word.encode(), np.uint8)
        key = hash_bytes(utf8, 0, len(utf8))
        at = int(key) % TABLE
        while key_E[at]:
            at = (at + 1) % TABLE
        key_E[at], cut_E[at] = key, length
    key_E.flags.writeable = cut_E.flags.writeable = False
    return key_E, cut_E


@inner
def look_up(key, key_E, cut_E):
    """After how many bytes the table of exceptions cuts what has hash `key`; 0 if it stays whole, -1 if it is not there."""
    at = np.int64(key & np.uint64(TABLE - 1))
    while key_E[at] != 0:
        if key_E[at] == key:
            return cut_E[at]
        at = (at + 1) % TABLE
    return -1


@inner
def exception(utf8_N, begin, end, key_E, cut_E):
    """What `look_up` says of the bytes begin:end."""
    return look_up(hash_bytes(utf8_N, begin, end), key_E, cut_E) if end - begin <= LONGEST_EXCEPTION else -1
