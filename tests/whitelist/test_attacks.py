"""Attacks 30 to 38 by number: each goes to a human under rules that a hasty admin might write."""

import pytest

from approvals.whitelist.domain.patterns import PatternError, compile_pattern
from approvals.whitelist.domain.rules import Outcome, RuleKind, evaluate
from tests.whitelist.builders import NOW, SETTINGS, allows, argv, host_line, judge, line, rule

NARROW = ("ls", "ls *", "git *", "git * *", "echo *", "find *", "find * *", "cat *", "npm test", "true")
WIDE = (*NARROW, "ls **", "git **", "echo **", "find **", "cat **", "rm **", "x", "sh", "id **")
SHELL_ATTACKS = {
    30: [
        "ls; rm2 -rf /", "ls && y", "ls || y", "ls | sh", "ls & x", "ls &", "ls\nid", "ls\rid", "ls\0id", "ls\u00a0id",
        "ls \\\nid", "ls\tid", "ls;;id", "ls |& cat", "ls\u0085id", "ls;", ";ls", "ls &&", "ls \u2028 id", "ls; ; id",
    ],
    31: [
        "echo $(id)", "echo `id`", "cat <(id)", "ls >(id)", "echo ${x:-$(id)}", 'echo "$(id)"', 'echo "`id`"',
        'echo "${x:-$(id)}"', "echo $((1+1))", "echo $[1+1]", 'echo "a$(id)b"', "echo $'a'", 'echo $"a"', "$(id)", "`id`",
        'ls "$(id)"x', "echo a$(id)", 'echo "$x"', "echo ${x@P}",
    ],
    32: [
        "echo x > ~/.bashrc", "echo x >| y", "echo x >> y", "cat <<< x", "cat <<EOF\nx\nEOF", "cat <<-EOF\nx\nEOF",
        "echo x 2> y", "echo x &> y", "cat < y", "echo x >& y", "cat <> y", ">x echo", "echo x 2>&1", "echo x>y",
    ],
    33: [
        "FOO=bar git log", "PATH=. git log", "GIT_SSH_COMMAND=id git fetch", "env git log", "command git log",
        "exec git log", "eval git log", "xargs git log", "sudo git log", "nohup git log", "builtin echo x",
        "source x", ". x", "time ls", "nice ls", "A=b", "A+=b ls", "a[0]=b ls", "export PATH=.", "alias ls=id",
        "hash -p x ls", "enable -n echo", "set -k", "trap id EXIT", "coproc ls", "! ls", "'A=b' ls", "doas ls",
    ],
    35: ["./ls", "/tmp/ls", "../ls", "lstmeval", "/tmp/git log", "~/ls", "ls/", "/bin/../tmp/ls", "LS"],
    37: [
        "ls \u202egnp.exe", "echo \u200bx", "echo \x1b[2Jx", "echo e\u0301", "ls \u2066x\u2069", "echo \ufeffx",
        "l\u0455", "\uff4c\uff53", "echo \ue000", "echo \u3164", "echo \U000e0041", "echo \x7f", "echo \udc80",
    ],
    38: [
        "echo {a,b}", "echo {1..9}", "cat *", "cat ?", "cat [ab]", "ls ~", "ls ~root", "echo $IFS", "cat$IFS/etc/passwd",
        "echo $x", "echo ${x}", "echo a=~", "ls() { id; }", "function ls { id; }", "ls () { id; }; ls", "{ ls; }", "(ls)",
        "ls #x", "echo !!", 'echo "!!"', "cat @(a|b)", "if true; then ls; fi", "[[ x ]]", "[ x ]", "echo =ls",
    ],
}  # fmt: skip
CASES = [pytest.param(text, id=f"attack{number}-{text!a}") for number, texts in SHELL_ATTACKS.items() for text in texts]
REASONS = [
    ("ls & x", "background"), ("echo $(id)", "substitution"), ("echo x > y", "redirection"), ("FOO=bar git log", "assignment"),
    ("echo {a,b}", "brace"), ("cat *", "glob"), ("ls ~", "tilde"), ("ls \u202egnp.exe", "U+202E"), ("eval git log", "eval"),
    ("ls; y", "no rule allows y"), ("ls | sh", "piped into"), ("(ls)", "subshell"), ("./ls", "path"),
]  # fmt: skip


@pytest.mark.parametrize("text", CASES)
@pytest.mark.parametrize("subject_of", [line, host_line], ids=["bound", "host"])
def test_a_shell_line_goes_to_a_human(text: str, subject_of: type) -> None:
    verdict = evaluate(subject_of(text), allows(*WIDE), SETTINGS, NOW)
    assert verdict.outcome is Outcome.REVIEW
    assert all(verdict.reasons)


@pytest.mark.parametrize(("text", "reason"), REASONS)
def test_the_reason_is_in_words(text: str, reason: str) -> None:
    assert reason in "; ".join(evaluate(line(text), allows(*WIDE, "./ls"), SETTINGS, NOW).reasons)


PLAIN = ["ls", "ls src", "git status", "echo 'a b'", 'echo "a b"', "npm test", "ls && git status", "cat a | cat b; ls",
         "echo caf\u00e9", 'echo "\\$x"', "echo \\$x", "echo '$(id)'"]  # fmt: skip


@pytest.mark.parametrize("text", PLAIN)
def test_plain_lines_are_allowed(text: str) -> None:
    """Without these, a matcher that refuses everything would pass every test above."""
    assert evaluate(line(text), allows(*NARROW), SETTINGS, NOW).outcome is Outcome.ALLOW


OPTIONS = [
    "find . -exec id", "find -delete", "find . -fprint", "find . -ok", "git -c core.pager=id log", "git --exec-path=x log",
    "git -p log", "git log -p", "sed w", "sed -n 1e", "rg --pre=id x", "tar --checkpoint-action=exec=id",
    "npm test --script-shell=id", "npm test x", "npm run test", "ls -la", "cat -", "echo -e", "ls ''", "find . x -delete",
]  # fmt: skip


@pytest.mark.parametrize("text", OPTIONS, ids=lambda text: f"attack34-{text}")
def test_a_star_is_never_an_option(text: str) -> None:
    words = tuple("" if word == "''" else word for word in text.split())
    assert evaluate(argv(*words), allows(*NARROW), SETTINGS, NOW).outcome is Outcome.REVIEW
    assert evaluate(line(text), allows(*NARROW), SETTINGS, NOW).outcome is Outcome.REVIEW


ARGV_ATTACKS = [
    (33, ("env", "git", "log"), "/usr/bin/env"), (33, ("sudo", "ls"), "/usr/bin/sudo"),
    (35, ("./ls",), "/srv/app/ls"), (35, ("/tmp/ls",), "/tmp/ls"), (35, ("ls",), "/tmp/ls"), (35, ("lstmeval",), "/usr/bin/lstmeval"),
    (35, ("ls",), "/usr/bin/rm"), (35, ("ls",), "usr/bin/ls"), (35, ("ls",), "/usr/bin/../bin/ls"), (35, ("./ls",), None),
    (35, ("/usr/bin/ls",), "/bin/ls"), (35, ("",), None), (35, ("ls",), "/usr/bin/x/ls"), (35, ("ls",), "//usr/bin/ls"),
    (36, ("echo", "x" * 17 * 1024), "/usr/bin/echo"), (36, ("echo", *["x"] * 1024), "/usr/bin/echo"),
    (37, ("echo", "\u202ex"), "/usr/bin/echo"), (37, ("echo", "x\n"), "/usr/bin/echo"), (37, ("echo", "e\u0301"), "/usr/bin/echo"),
    (37, ("l\u0455",), "/usr/bin/l\u0455"), (37, ("echo", "\x1b[2J"), "/usr/bin/echo"), (37, ("echo", "a\0b"), "/usr/bin/echo"),
]  # fmt: skip


@pytest.mark.parametrize(("number", "words", "exe"), ARGV_ATTACKS, ids=lambda value: ascii(value)[:40])
def test_an_argv_goes_to_a_human(number: int, words: tuple[str, ...], exe: str | None) -> None:
    del number
    verdict = evaluate(argv(*words, exe=exe), allows(*WIDE, "./ls", "/tmp/ls", "/usr/bin/ls"), SETTINGS, NOW)
    assert verdict.outcome is Outcome.REVIEW


def test_attack31_is_only_text_in_an_argv() -> None:
    """No shell reads an argv, so `$(id)` is eight harmless characters there."""
    assert evaluate(argv("echo", "$(id); > x"), allows("echo *"), SETTINGS, NOW).outcome is Outcome.ALLOW


def test_attack35_a_program_is_never_a_wildcard() -> None:
    for pattern in ("ls*", "*", "**", "-*", "l*s x", "'' x"):
        assert isinstance(compile_pattern(pattern), PatternError)
    assert judge(argv("lstmeval"), rule("ls*")).outcome is Outcome.REVIEW


@pytest.mark.parametrize(
    ("fits", "over", "reason"),
    [
        ("; ".join(["ls"] * 50), "; ".join(["ls"] * 51), "51 commands"),
        ("echo " + "x" * (16 * 1024 - 5), "echo " + "x" * (16 * 1024 - 4), "16385 bytes"),
    ],
    ids=["attack36-segments", "attack36-bytes"],
)
def test_limits(fits: str, over: str, reason: str) -> None:
    assert evaluate(line(fits), allows(*WIDE), SETTINGS, NOW).outcome is Outcome.ALLOW
    verdict = evaluate(line(over), allows(*WIDE), SETTINGS, NOW)
    assert verdict.outcome is Outcome.REVIEW
    assert reason in "; ".join(verdict.reasons)


@pytest.mark.parametrize("opening", ["$(ls ", "(ls; ", "{ ls; ", "<(ls "])
def test_attack36_depth(opening: str) -> None:
    for depth, expected in ((8, Outcome.ALLOW), (9, Outcome.REVIEW)):
        closing = "}" + "; }" * (depth - 1) if opening.startswith("{") else ")" * depth
        text = "ls " * (opening[0] in "$<") + opening * depth + closing
        exact = rule(text, kind=RuleKind.EXACT)
        assert judge(line(text), exact).outcome is expected, depth
