"""What is to be judged: answers and questions -> tasks, one a verdict. Pure functions.

A task that cannot be put to a judge (no answer, an answer that was an error) is a task all the
same, with the reason why it stays unscored: nothing is dropped unsaid.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..errors import BabelmixError
from ..records import Answer, Question

#: Language, question, turn, sample: the address of an answered turn.
Slot = tuple[str, str, int, int]


@dataclass(frozen=True, slots=True)
class Task:
    """One verdict wanted: all turns up to the judged one.

    ``order`` is ``""`` (single), ``AB`` or ``BA``; the answers are the run's and the baseline's,
    whatever the order, both of the same ``sample``. ``unscored`` says why nothing is asked.
    """

    question: Question
    turn: int
    order: str = ""
    answers: tuple[Answer, ...] = ()
    baseline: str = ""
    baseline_answers: tuple[Answer, ...] = ()
    unscored: str | None = None
    sample: int = 0

    @property
    def questions(self) -> list[str]:
        """The user turns up to the judged one."""
        return self.question.turns[: self.turn]


def index_answers(answers: Iterable[Answer], run: str) -> dict[Slot, Answer]:
    """Answers of one run by address; a doubled or foreign row is an error."""
    index: dict[Slot, Answer] = {}
    for answer in answers:
        slot = (answer.lang, answer.question_id, answer.turn, answer.sample)
        if answer.run != run:
            raise BabelmixError(f"Expected answers of run {run}, found some of {answer.run}.")
        if slot in index:
            raise BabelmixError(
                f"Run {run} answers question {slot[1]} ({slot[0]}) turn {slot[2]} twice. Delete "
                "its answer file and run again."
            )
        index[slot] = answer
    return index


def select_questions(questions: Iterable[Question], languages: Sequence[str]) -> list[Question]:
    """Questions of the wanted languages, sorted by language and id, so that alike prompts meet."""
    wanted = set(languages)
    chosen: dict[tuple[str, str], Question] = {}
    for question in questions:
        if question.lang not in wanted:
            continue
        if (question.lang, question.question_id) in chosen:
            raise BabelmixError(
                f"Question {question.question_id} ({question.lang}) is given twice: is a questions "
                "file named twice?"
            )
        chosen[question.lang, question.question_id] = question
    missing = wanted - {lang for lang, _ in chosen}
    if missing:
        raise BabelmixError(
            f"No questions in {', '.join(sorted(missing))}: name their files in --questions."
        )
    return [chosen[key] for key in sorted(chosen)]


def single_tasks(questions: Sequence[Question], answers: dict[Slot, Answer]) -> list[Task]:
    """One task an asked turn and sample."""
    tasks = []
    for question, sample, turn in _asked(questions, answers):
        held, why = _turns(question, turn, sample, answers)
        tasks.append(Task(question, turn, answers=held, unscored=why, sample=sample))
    return tasks


def pair_tasks(
    questions: Sequence[Question],
    run: str,
    answers: dict[Slot, Answer],
    baselines: dict[str, str],
    baseline_answers: dict[str, dict[Slot, Answer]],
) -> list[Task]:
    """Two tasks an asked turn and sample, one an order; none where the run is its own baseline.

    ``baselines`` names the opponent of each language, ``baseline_answers`` holds each opponent's,
    of which a sample meets the one of the same number.
    """
    tasks = []
    for question, sample, turn in _asked(questions, answers):
        baseline = baselines[question.lang]
        if baseline == run:
            continue
        held, why = _turns(question, turn, sample, answers)
        other, why_other = _turns(question, turn, sample, baseline_answers[baseline])
        reason = why or (f"baseline: {why_other}" if why_other else None)
        for order in ("AB", "BA"):
            tasks.append(Task(question, turn, order, held, baseline, other, reason, sample))
    return tasks


def _asked(
    questions: Iterable[Question], answers: Iterable[Slot]
) -> Iterator[tuple[Question, int, int]]:
    """(question, sample, turn): every turn of as many samples as the run answered, one at least."""
    last: dict[tuple[str, str], int] = {}
    for lang, question_id, _, sample in answers:
        last[lang, question_id] = max(sample, last.get((lang, question_id), 0))
    for question in questions:
        for sample in range(last.get((question.lang, question.question_id), 0) + 1):
            for turn in range(1, len(question.turns) + 1):
                yield question, sample, turn


def _turns(
    question: Question, turn: int, sample: int, answers: dict[Slot, Answer]
) -> tuple[tuple[Answer, ...], str | None]:
    """A run's answers of a sample up to a turn, or why that turn cannot be judged."""
    held = []
    for number in range(1, turn + 1):
        answer = answers.get((question.lang, question.question_id, number, sample))
        if answer is None:
            return (), f"no answer to turn {number}"
        if answer.finish_reason == "error":
            return (), f"the answer to turn {number} was an error"
        held.append(answer)
    return tuple(held), None
