"""Deny rules on the widest reading."""

import pytest

from approvals.whitelist.domain.rules import Outcome, Rule, RuleKind, Subject
from tests.whitelist.builders import argv, deny, exact, host_line, judge, line, outcome, rule

RM = deny("rm **")
DENIED_LINES = [
    "rm -rf /", "/bin/rm x", "./rm x", "RM x", "\\rm x", "'rm' x", 'r"m" x', "r''m x", "ls; rm x", "ls | rm x", "ls && rm x", "rm", "rm &",
    "(rm x)", "{ rm x; }", "$(rm x)", "echo $(rm x)", 'echo "$(rm x)"', "echo `rm x`", "cat <(rm x)", "f() { rm x; }", "A=b rm x", "A=$(rm x)",
    "rm x > y", ">y rm x", "rm >y x", "if rm x; then ls; fi", "for i in a; do rm x; done", "while rm x; do ls; done", "! rm x", "echo ${x:-$(rm x)}",
    "case a in a) rm x;; esac", "rm *", "rm $x", "r\\\nm x", "cat <<EOF\n$(rm x)\nEOF", "echo $(echo $(rm x))", "[[ -n $(rm x) ]]",
    "sudo rm x", "sudo -u root rm x", "env A=b rm x", "env -i rm", "nohup rm x &", "xargs rm", "xargs -n1 rm -f", "command rm x", "exec rm x", "time rm x",
    "timeout 5 rm x", "nice -n 5 rm x", "sudo env nohup rm x", "find . -exec rm {} \\;", "find . | xargs rm", "builtin eval 'rm x'", "eval rm x",
    "eval 'rm x'", "eval 'rm' '-rf x'", "sh -c 'rm x'", "bash -lc 'ls; rm x'", "sudo sh -c 'rm x'", "sh -c 'sh -c \"rm x\"'", "env -S 'rm x'",
    "env -S'rm x'", "env '--split-string=rm x'", "ssh host rm x", "ssh host 'rm x'", "ssh host rm '-rf /'", "su -c 'rm x'", "/usr/bin/sudo /bin/rm x", "xargs sh -c 'rm $0'",
    "watch 'rm x'", "busybox rm x", "bash -c '$(rm x)'", "time -p rm x", "if ls; then rm x", "rm x \u202e", "rm x; echo $(",
]  # fmt: skip
NOT_DENIED = [
    "echo '`rm x`' \"<(rm x)\" \\`rm x\\`",
    "rmdir x",
    "echo rm x",
    "ls rm",
    "echo 'rm x'",
    "git rm x",
    "grep 'rm x' y",
    "echo sudo rm x",
]
DENIED_ARGVS = [
    ("rm", "x"), ("/bin/rm", "x"), ("sudo", "rm", "x"), ("sh", "-c", "rm x"), ("bash", "-c", "ls && rm x"), ("env", "A=b", "sh", "-c", "rm x"),
    ("busybox", "rm", "x"), ("find", ".", "-exec", "rm", "{}", ";"), ("xargs", "-0", "rm"), ("sh", "-c", "$(rm x)"), ("RM",), ("env", "-S", "rm x"),
]  # fmt: skip


@pytest.mark.parametrize("text", DENIED_LINES, ids=ascii)
@pytest.mark.parametrize("subject_of", [line, host_line], ids=["bound", "host"])
def test_a_denied_part_denies_the_line(text: str, subject_of: type) -> None:
    verdict = judge(subject_of(text), RM, exact(text), rule("ls **"))
    assert verdict.outcome is Outcome.DENY, verdict.reasons
    assert verdict.rules == ("deny:rm **",)


@pytest.mark.parametrize("text", NOT_DENIED)
def test_a_word_is_not_a_command(text: str) -> None:
    assert outcome(line(text), RM, exact(text)) is Outcome.ALLOW


@pytest.mark.parametrize("words", DENIED_ARGVS, ids=str)
def test_a_denied_argv(words: tuple[str, ...]) -> None:
    assert outcome(argv(*words, exe=None), RM, rule(f"{words[0]} **")) is Outcome.DENY


def test_an_argv_that_runs_a_denied_program_under_another_name() -> None:
    assert outcome(argv("ls", "x", exe="/usr/bin/rm"), RM, rule("ls *")) is Outcome.DENY


def test_a_dollar_in_an_argv_is_text() -> None:
    assert outcome(argv("echo", "$(rm x)"), RM, rule("echo *")) is Outcome.ALLOW


DOUBTS = [
    "echo ${x:=`rm y`}", 'echo "${x:-`rm y`}"', "echo ${x:-<(rm y)}", "echo `echo \\`rm y\\``",
   "$x y", "rm2 | $(ls) x", "sudo $x", 'sh -c "$x"', "r{m,} x", "echo $(", "ls 'x", "eval $x", "if ls; then ls", "$'rm' x", "git push $x", "git $x", "git *",
          "sh -c 'echo $('", "env $x ls", "x=rm; $x y"]  # fmt: skip


@pytest.mark.parametrize("text", DOUBTS)
def test_a_doubt_goes_to_a_human_whatever_allows(text: str) -> None:
    rules = (RM, deny("git push --force"))
    verdict = judge(line(text), *rules, exact(text))
    assert verdict.outcome is Outcome.REVIEW
    assert (
        "deny rule" in "; ".join(verdict.reasons)
        or "syntax" in "; ".join(verdict.reasons)
        or "line" in "; ".join(verdict.reasons)
    )


@pytest.mark.parametrize("text", ["$x y", "sudo $x", "git push $x", "git *"])
def test_the_same_lines_without_deny_rules(text: str) -> None:
    assert outcome(line(text), exact(text)) is Outcome.ALLOW


@pytest.mark.parametrize(
    ("denied", "subject"),
    [
        (deny("** --force"), line("git push --force")),
        (deny("** --force **"), argv("git", "push", "--force", "x")),
        (deny("git * --force"), line("ls; git push --force")),
        (deny("/usr/bin/git push"), line("git push")),
        (deny("git push", RuleKind.EXACT), line("ls && git  push")),
        (deny("git push > x", RuleKind.EXACT), line(" git push > x ")),
        (deny("git push", RuleKind.EXACT), argv("git", "push")),
    ],
    ids=lambda value: getattr(value, "pattern", ""),
)
def test_other_deny_rules(denied: Rule, subject: Subject) -> None:
    assert outcome(subject, denied, rule("git **"), rule("ls")) is Outcome.DENY


@pytest.mark.parametrize("pattern", ["a b**", "", "x 'y"])
def test_a_deny_rule_that_does_not_compile_stops_everything(pattern: str) -> None:
    verdict = judge(argv("ls"), rule("ls"), deny(pattern))
    assert verdict.outcome is Outcome.REVIEW
    assert "a deny rule cannot be used" in verdict.reasons[0]


def test_too_long_a_line_is_a_doubt() -> None:
    verdict = judge(line("rm " + "x" * 17_000), RM)
    assert verdict.outcome is Outcome.REVIEW
    assert "could not be tried" in "; ".join(verdict.reasons)


@pytest.mark.parametrize(
    "text",
    [
        "sudo " + "$a " * 5000,
        "env " + "rm " * 5000,
        "sh -c " + "'a b' " * 2500,
        "ssh " + "'a;b' " * 2500,
        "a >b c;" * 2000,
        "eval " * 3200,
    ],
)
def test_hostile_sizes_are_bounded(text: str) -> None:
    """Bounded work, not a time: each of these would be quadratic or worse."""
    assert (
        outcome(line(text[: 16 * 1024]), deny("rm a b"), *(deny(f"rm x{index} **") for index in range(50)))
        is Outcome.REVIEW
    )


@pytest.mark.parametrize(
    "text", ["rm >y -rf /", "rm -rf 2>y / 2>&1", ">y rm -rf /", "ls && rm <y -rf /", "rm >&2 -rf /"]
)
def test_arguments_after_a_redirection_are_put_back(text: str) -> None:
    assert outcome(line(text), deny("rm -rf /")) is Outcome.DENY


def test_a_damaged_line_says_that_deny_rules_were_not_tried() -> None:
    assert "the deny rules could not be tried" in "; ".join(judge(line("echo $("), RM).reasons)
