"""Words around a value that tell what it is: an example of the format, another's claim, a revision.

All patterns are for folded text and match at the end (before a value) or the start (after it) of a
bounded window, so that their cost does not grow with the text.
"""

from __future__ import annotations

import re

from .labels import CORRECTIONS
from .normalise import fold

QUOTES = "\"'`“”„‟‘’‚«»‹›「」『』"


def _any_of(phrases: str) -> str:
    """Alternatives of phrases (parted by ``;``), folded, longest first."""
    folded = {re.escape(fold(phrase.strip())) for phrase in phrases.split(";")}
    return "|".join(sorted(folded, key=lambda phrase: (-len(phrase), phrase)))


_EXAMPLE_WORDS = _any_of(
    """example;e.g.;such as;placeholder;template;format;must be;should be;should end;must end;
    instructed;was told;were told;told to;asked to;asks for;prompt;beispiel;z.b.;vorlage;
    muster;
    exemple;par ex;modele;gabarit;ejemplo;formato;plantilla;esempio;modello;exemplo;modelo;
    voorbeeld;
    formaat;przykład;szablon;пример;формат;шаблон;например;приклад;例如;例えば;比如;示例;例子;
    格式;形式;フォーマット;書式;형식;예시;예를;مثال;مثل;صيغة;تنسيق;उदाहरण;प्रारूप;örnek;biçim;
    ví dụ;định dạng;contoh;mfano;muundo;לדוגמה;דוגמה;פורמט;תבנית;esimerkki;esimerkiksi;muoto;
    exempel;eksempel;mall;például;példa;formátum;exemplu;παράδειγμα;μορφή;ตัวอย่าง;รูปแบบ;
    উদাহরণ;مثلا;قالب;příklad;například;näide;vorming"""
)
#: Somewhere in a sentence with a quoted value: the value is an example.
EXAMPLE = re.compile(_EXAMPLE_WORDS)
#: Right before a value, quoted or not: "for example: Rating: [[5]]".
_FOR_EXAMPLE = _any_of(
    """for example;for instance;e.g.;such as;zum beispiel;z.b.;z. b.;beispielsweise;par exemple;
    por ejemplo;ad esempio;per esempio;por exemplo;bijvoorbeeld;na przykład;например;例如;比如;
    例えば;
    예를 들어;예시;예;例;örneğin;misalnya;för exempel;for eksempel;esimerkiksi;például;de exemplu;
    מثال;לדוגמה;مثلا;उदाहरण के लिए;ví dụ"""
)
EXAMPLE_BEFORE = re.compile(rf"(?:{_FOR_EXAMPLE})[ \t]{{0,2}}[:,，、]?[ \t]{{0,3}}\Z")
#: An order at the start of a sentence: "Write '[[5]]' at the end."
ORDER = re.compile(
    r"^\W{0,4}(?:please[ \t]+)?"
    r"(?:write|end|use|put|return|answer with|reply with|respond with|give|print|type|"
    r"schreibe?|verwende|gib|antworte|ecrivez|utilisez|repondez|escribe|escriba|usa|"
    r"responda|scrivi|rispondi|escreva|schrijf|napisz|напишите|ответьте|请|請)\b(?!:)"
)
_CLAIMING = _any_of(
    """claims;claimed;says;said;states;stated;asserts;asserted;reads;writes;wrote;
    contains;contained;includes;included;quotes;quoted;ends with;ended with;ends in;ending with;
    ends;
    requests;requested;pretends;announces;gives itself;gave itself;rates itself;rated itself;
    awards itself;grades itself;behauptet;sagt;schreibt;enthält;fordert;gibt sich selbst;gibt sich;
    bewertet sich selbst mit;endet mit;prétend;affirme;dit;écrit;contient;demande;se donne;
    s'attribue;se termine par;afirma;dice;escribe;contiene;se da;se otorga;termina con;sostiene;
    scrive;si dà;si attribuisce;diz;escreve;contém;beweert;zegt;schrijft;bevat;twierdzi;pisze;mówi;
    утверждает;пишет;говорит;заявляет;содержит"""
)
#: Right before a value or its label: what the judged text says of itself is no verdict.
CLAIMED = re.compile(
    rf"(?:\b(?:{_CLAIMING})\b|声称|宣称|自称|写道|自称为)"
    r"(?:[ \t](?:von sich|of itself|about itself|de soi|de si|di se|de lui-meme))?"
    r"[ \t,:\"'“„«‘`]{0,4}"
    r"(?:(?:that|dass|que|che|dat|ze|что)[ \t]{1,2})?"
    r"(?:(?:it|he|she|this|they|er|sie|es|il|elle|el|ella)[ \t]{1,2})?"
    r"(?:(?:deserves?|merits?|should get|should receive|gets|is worth|is|verdient|merite|merece|"
    r"merita)[ \t]{1,2})?"
    r"(?:(?:a|an|the|its|their|eine?|une?|un|una|uma|der|die|das|la|le|il|o|nothing but|only|just)"
    r"[ \t]{1,2})?"
    r"(?:(?:full|perfect|rating|score|grade|verdict|of|line|words|text|phrase)[ \t:]{1,2}){0,3}"
    r"(?:[ \t:\"'“„«‘`]{0,4}|[ \t]{0,2}:[ \t]{0,2}\n{1,2}[ \t>\"'“„«‘`]{0,4})\Z"
)
_REVISING = _any_of(
    """then;finally;on reflection;on second thought;reconsider;reconsidering;reconsidered;actually;
    wait;hmm;edit:;lower it to;raise it to;changed my mind;changing my mind;revise;revised;
    update;updated;final;ultimately;in the end;after all;overall;in conclusion;to conclude;
    in summary;all in all;therefore;thus;hence;
    dann;schließlich;letztlich;letztendlich;endgültig;abschließend;insgesamt;doch;somit;
    puis;finalement;en fin de compte;au final;en conclusion;donc;après réflexion;
    infine;poi;alla fine;in conclusione;quindi;ripensandoci;al final;luego;entonces;finalmente;
    en conclusión;por tanto;pensándolo bien;afinal;no fim;em conclusão;portanto;
    uiteindelijk;tenslotte;dus;ostatecznie;w końcu;zatem;в итоге;итак;затем;в конце концов;
    окончательн;nakonec;lopulta;til slutt;til sidst;till slut;sonunda;sonuç olarak;végül;în final;
    τελικά;cuối cùng;akhirnya;hatimaye;最终;最后;最終;最後;然后;結局;综上;总之;所以;因此;
    최종;결국;따라서;그러므로;في النهاية;أخيرا;अंततः;अंत में;לסיכום;לבסוף;অবশেষে;در نهایت"""
)
#: Between two values: the second replaces the first.
REVISED = re.compile(rf"{CORRECTIONS}|{_REVISING}")
CORRECTED = re.compile(CORRECTIONS)
#: Before a value in its sentence: it is given for another case.
HYPOTHETICAL = re.compile(
    r"\b(?:if|unless|had it|were it|otherwise|wenn|falls|sonst|sinon|si|altrimenti|de lo contrario|"
    r"caso|jesli|gdyby|если|якщо|pokud|jos|eger|neu|kalau|jika)\b|如果|要是|もし|" + fold("만약")
)
#: In a clause with a value: what would have been, had things been different.
COUNTERFACTUAL = re.compile(
    r"\b(?:if|had|were)\b.{0,120}\bwould\b|\bwould have been\b"
    r"|\b(?:wenn|falls|hatte|ware)\b.{0,120}\b(?:ware|wurde|hatte)\b"
    r"|\bsi\b.{0,120}\b(?:serait|aurait|seria|habria|hubiera)\b"
    r"|\bse\b.{0,120}\b(?:sarebbe|avrebbe|seria|teria)\b"
    r"|\bесли бы\b|\bolurdu\b|\bgdyby\b|لو كان"
    r"|如果.{0,60}(?:会是|就是|应为|可以给)|" + fold("なったでしょう") + "|" + fold("였을 것")
)
#: Right before a value: the judge did not give it, or no longer does.
NOT_GIVEN = re.compile(
    r"(?:\b(?:raised|lowered|dropped|changed|revised|reduced|increased|adjusted|down|up)[ \t]from|"
    r"\binstead of|\brather than|\bbelow|\bshort of|\bstatt|\banstatt|"
    r"\bau lieu de|\bplutot que|\ben lugar de|\ben vez de|\binvece di|\bem vez de|\bвместо)"
    r"[ \t]{1,2}(?:(?:an?|the|eine[rnm]?|d'un|une?|una|um|uma)[ \t]{1,2})?\Z"
)
#: Right before a value: the sentence denies it.
DENIED = re.compile(r"\b(?:not|nicht|pas|не)[ \t]{1,2}(?:(?:an?|eine?|une?)[ \t]{1,2})?\Z")
#: After a bare value: it is an option that is recited, "[[A]] if assistant A is better".
RECITED = re.compile(
    r"[ \t]{0,3}[:=,]?[ \t]{0,3}"
    r"(?:if|when|wenn|falls|si|se|cuando|quando|lorsque|bei|en caso|pour un|for a tie|in caso|als|"
    r"jos|kui|если|pokud|ako|ikiwa|אם|यदि|如果|إذا)\b"
)
#: Before a value: it is the end of the scale.
DENOMINATOR = re.compile(
    r"(?:\bout of|\bvon|\bsur|\bsu|\bde|\bsobre|\bauf|\bof|\bper|\biz|\bиз|/|"
    r"\bscale from|\bscale of)[ \t]{0,3}$"
)
#: From one end of the scale to the other.
SCALE_END = re.compile(r"^[ \t]{0,3}(?:to|bis|a|à|до|-|–|and)[ \t]{0,3}$")
#: The judge speaks of itself.
OWN = re.compile(
    r"\b(?:i|my|we|our|ich|mein\w?|je|j'|mon|ma|io|mio|mia|mi|yo|eu|meu|minha|ik|mijn|moj\w|"
    r"мо[йяе]|я|"
    r"jag|min|mitt|jeg|benim|here is|here's|hier ist|voici|ecco|aqui esta)\b|我|私|"
    + "|".join(fold(word) for word in ("제 ", "저는", "나의"))
)
SENTENCE_END = re.compile(r"[.!?…][\"'”’»)\]]{0,3}\s|[\n。।؟!?](?!\])")


def sentence_before(text: str, position: int, width: int = 160) -> str:
    """Return what stands before ``position`` in its sentence, at most ``width`` characters."""
    window = text[max(0, position - width) : position]
    start = max((end.end() for end in SENTENCE_END.finditer(window)), default=0)
    return window[start:]


def sentence_after(text: str, position: int, width: int = 160) -> str:
    """Return what stands after ``position`` in its sentence, at most ``width`` characters."""
    window = text[position : position + width]
    end = SENTENCE_END.search(window)
    return window[: end.start()] if end else window
