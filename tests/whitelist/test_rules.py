"""evaluate: exact rules, scopes, expiry, uses, and what keeps any rule from approving."""

from dataclasses import replace
from datetime import timedelta

import pytest

from approvals.whitelist.domain.rules import Form, Outcome, RuleKind, Scope, Settings, Subject
from tests.whitelist.builders import NOW, argv, deny, exact, host_line, judge, line, outcome, rule

ALLOW, DENY, REVIEW = Outcome.ALLOW, Outcome.DENY, Outcome.REVIEW
RICH = 'FOO=1 make -j4 > build.log 2>&1 && echo "$HOME" | tee out; (ls *)'


def test_no_rule_is_for_a_human() -> None:
    verdict = judge(argv("ls"))
    assert (verdict.outcome, verdict.reasons) == (REVIEW, ("no rule allows ls",))


def test_every_part_needs_a_rule_and_each_is_named() -> None:
    verdict = judge(line("ls src && git status"), rule("ls *"), rule("git status"))
    assert verdict.outcome is ALLOW
    assert [segment.rule_id for segment in verdict.segments] == ["allow:ls *", "allow:git status"]
    assert verdict.rules == ("allow:ls *", "allow:git status")
    assert outcome(line("ls src && git push"), rule("ls *"), rule("git status")) is REVIEW


def test_an_exact_rule_allows_a_rich_line_as_it_is() -> None:
    assert outcome(line(RICH), exact(RICH)) is ALLOW
    assert outcome(line(RICH + " "), exact(RICH)) is REVIEW
    assert outcome(line(RICH), rule("make **"), rule("echo **"), rule("tee **"), rule("ls **")) is REVIEW


@pytest.mark.parametrize(
    "bad", ["echo \u202e$x", "echo $x\nid", "echo $(", "./x; echo $y", "/tmp/x > y", "echo 'x", "x" * 17000]
)
def test_an_exact_rule_does_not_allow_what_is_hidden_broken_or_untrusted(bad: str) -> None:
    assert outcome(line(bad), exact(bad)) is REVIEW


def test_an_exact_rule_on_a_host_needs_plain_names() -> None:
    assert outcome(host_line("ls *"), exact("ls *")) is ALLOW
    for text in ("$x y", "/bin/ls *", "bin/ls *"):
        assert outcome(host_line(text), exact(text)) is REVIEW


def test_an_exact_rule_is_never_a_part_of_another_line() -> None:
    assert outcome(line("rm -r build"), exact("rm -r build")) is ALLOW
    assert outcome(line("true; rm -r build"), exact("rm -r build"), rule("true")) is REVIEW


def test_an_exact_rule_covers_the_argv_that_it_names() -> None:
    assert outcome(argv("echo", "a b"), exact("echo 'a b'")) is ALLOW
    assert outcome(argv("echo", "a", "b"), exact("echo 'a b'")) is REVIEW


def test_a_regex_is_not_yet_a_rule() -> None:
    assert outcome(argv("ls"), rule("ls", RuleKind.REGEX)) is REVIEW
    assert outcome(argv("ls"), rule("ls"), deny("x", RuleKind.REGEX)) is REVIEW


BLOCKED = [
    ({"stdin": "open"}, "standard input"), ({"stdin": "sha256:" + "0" * 64}, "standard input"), ({"stdin": ""}, "standard input"),
    ({"env": {"PATH": "/tmp"}}, "which programs run"), ({"env": {"LD_PRELOAD": "x"}}, "loads code"), ({"env": {"BASH_ENV": "x"}}, "before the command"),
    ({"env": {"IFS": "x"}}, "reads the command"), ({"env": {"BASH_FUNC_ls%%": "() { id; }"}}, "shell function"), ({"env": {"X": "1"}}, "no rule covers"),
    ({"env": {"HOME": None}}, "unsets HOME"), ({"env": {"TERM": "\u202e"}}, "U+202E"), ({"env": {"TERM": "../x"}}, "unusual value"),
    ({"env": {"TZ": "/etc/x"}}, "unusual value"), ({"env": {"LANG": "zh_TW.BIG5"}}, "unusual value"), ({"env": {"LC_ALL": "ja_JP"}}, "unusual value"),
    ({"env": {"COLUMNS": "\u00e9"}}, "unusual value"), ({"env": {"LC_\u202e": "C"}}, "U+202E"),
    ({"cwd": "srv"}, "cwd"), ({"cwd": "/srv/../etc"}, "cwd"), ({"cwd": "/srv/"}, "cwd"), ({"cwd": "/srv\u200b"}, "U+200B"),
    ({"user": "r\u200boot"}, "user"), ({"host": "h\n"}, "host"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "reason"), BLOCKED, ids=lambda value: ascii(value)[:40])
@pytest.mark.parametrize("subject", [argv("ls"), line("ls"), host_line("ls")], ids=["argv", "line", "host"])
def test_nothing_odd_is_approved(subject: Subject, fields: dict[str, object], reason: str) -> None:
    verdict = judge(replace(subject, **fields), rule("ls"), exact("ls"))  # type: ignore[arg-type]
    assert verdict.outcome is REVIEW
    assert reason in "; ".join(verdict.reasons)


@pytest.mark.parametrize("subject", [argv("ls"), line("ls"), host_line("ls")])
def test_safe_environment_is_approved(subject: Subject) -> None:
    env = {
        "TERM": "xterm-256color",
        "LANG": "en_US.UTF-8",
        "LC_ALL": "C.utf8",
        "TZ": "Europe/Berlin",
        "NO_COLOR": "1",
        "LINES": None,
    }
    assert outcome(replace(subject, env=env), rule("ls")) is ALLOW


MALFORMED = [
    {"argv": None}, {"argv": ()}, {"argv": ("",)}, {"command": "ls"}, {"shell": "/bin/sh"}, {"form": Form.SHELL},
    {"form": Form.SHELL, "argv": None, "command": "ls", "shell": "/bin/sh", "exe": "/bin/bash"},
    {"form": Form.SHELL, "argv": None, "command": "ls", "shell": "/usr/bin/zsh", "exe": "/usr/bin/zsh"},
    {"form": Form.SHELL, "argv": None, "command": "ls", "shell": "/tmp/bash", "exe": "/tmp/bash"},
    {"form": Form.SHELL, "argv": None, "command": "ls", "shell": "/bin/zsh", "exe": None},
    {"form": Form.SHELL, "argv": None, "command": "", "shell": "/bin/sh", "exe": "/bin/sh"}, {"form": "other"},
]  # fmt: skip


@pytest.mark.parametrize("fields", MALFORMED, ids=lambda value: str(value)[:60])
def test_malformed_subjects_are_for_a_human(fields: dict[str, object]) -> None:
    assert outcome(replace(argv("ls"), **fields), rule("ls"), exact("ls"), exact("")) is REVIEW  # type: ignore[arg-type]


def test_an_unbound_name_is_the_organizations_setting() -> None:
    strict = Settings(allow_unbound_plain_names=False)
    for subject in (host_line("ls"), argv("ls", exe=None)):
        assert "path not bound" in "; ".join(judge(subject, rule("ls")).reasons)
        assert outcome(subject, rule("ls")) is ALLOW
        assert outcome(subject, rule("ls"), settings=strict) is REVIEW
    assert outcome(line("ls"), rule("ls"), settings=strict) is ALLOW


def test_paths_in_a_line_must_be_trusted() -> None:
    assert outcome(line("/usr/bin/git log"), rule("/usr/bin/git log")) is ALLOW
    for name in ("/tmp/x/git", "./git", "bin/git", "/usr/bin/../bin/git", "/usr/bin//git"):
        assert outcome(line(f"{name} log"), rule(f"{name} log")) is REVIEW
    assert outcome(host_line("/usr/bin/git log"), rule("/usr/bin/git log")) is REVIEW


SCOPES = [
    (Scope(agents=("agent-1",)), ALLOW), (Scope(agents=("other",)), REVIEW), (Scope(hosts=("build-1",)), ALLOW), (Scope(hosts=("b",)), REVIEW),
    (Scope(users=("ci", "x")), ALLOW), (Scope(users=("root",)), REVIEW), (Scope(cwds=("/srv/app",)), ALLOW), (Scope(cwds=("/srv",)), REVIEW),
    (Scope(cwds=("/srv/**",)), ALLOW), (Scope(cwds=("/sr/**",)), REVIEW), (Scope(cwds=("/srv/app/**",)), ALLOW), (Scope(cwds=("/srv/ap/**",)), REVIEW),
    (Scope(agents=("agent-1",), hosts=("other",)), REVIEW), (Scope(cwds=("/**",)), ALLOW),
]  # fmt: skip


@pytest.mark.parametrize(("scope", "expected"), SCOPES, ids=str)
def test_scopes(scope: Scope, expected: Outcome) -> None:
    assert outcome(argv("ls"), rule("ls", scope=scope)) is expected
    assert outcome(argv("ls"), rule("ls"), deny("ls", scope=scope)) is (DENY if expected is ALLOW else ALLOW)


def test_expiry_is_exclusive_and_ends_every_rule() -> None:
    later = NOW + timedelta(seconds=1)
    assert outcome(argv("ls"), rule("ls", expires_at=later)) is ALLOW
    assert outcome(argv("ls"), rule("ls", expires_at=NOW)) is REVIEW
    assert outcome(argv("ls"), rule("ls"), deny("ls", expires_at=later)) is DENY
    assert outcome(argv("ls"), rule("ls"), deny("ls", expires_at=NOW)) is ALLOW


def test_uses_wear_out_allow_rules_only() -> None:
    assert outcome(argv("ls"), rule("ls", max_uses=2, uses=1)) is ALLOW
    assert outcome(argv("ls"), rule("ls", max_uses=2, uses=2)) is REVIEW
    assert outcome(argv("ls"), rule("ls", max_uses=2, uses=3)) is REVIEW
    assert outcome(argv("ls"), deny("ls", max_uses=1, uses=9)) is DENY


def test_each_part_of_a_line_takes_a_use() -> None:
    limited = rule("ls", max_uses=2)
    verdict = judge(line("ls; ls"), limited)
    assert (verdict.outcome, verdict.uses) == (ALLOW, (("allow:ls", 2),))
    assert outcome(line("ls; ls; ls"), limited) is REVIEW
    assert judge(argv("ls"), limited, rule("ls", id="free")).uses == (("free", 1),)


BUILTINS = [
    ("cd /x && ls", REVIEW), ("cd /x", ALLOW), ("export A=b", REVIEW), ("unset PATH; ls", REVIEW), ("printf -v PATH x; ls", REVIEW),
    ("printf %s x", ALLOW), ("test -f x && ls", ALLOW), ("test -v x", REVIEW), ("ls | xargs ls", REVIEW), ("ls | sh", REVIEW),
    ("ls | python3.11", REVIEW), ("ls | /bin/bash", REVIEW), ("xargs ls", ALLOW), ("sudo ls", ALLOW), ("ls; sh", ALLOW), ("exec ls", REVIEW),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), BUILTINS)
def test_builtins_and_pipes_into_interpreters(text: str, expected: Outcome) -> None:
    names = {word for word in text.replace(";", " ").split() if not word.startswith("-")}
    assert outcome(line(text), *(rule(f"{name} **") for name in sorted(names - {"&&", "|"}))) is expected


def test_ten_thousand_rules_are_not_tried_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    from approvals.whitelist.domain import patterns

    tried = 0
    real = patterns.match_tokens

    def counting(tokens: object, words: object) -> bool:
        nonlocal tried
        tried += 1
        return real(tokens, words)  # type: ignore[arg-type]

    monkeypatch.setattr(patterns, "match_tokens", counting)
    many = [rule(f"git sub{index} **") for index in range(5000)] + [rule(f"tool{index} *") for index in range(5000)]
    assert outcome(argv("git", "sub77", "x"), *many) is ALLOW
    assert tried == 1
