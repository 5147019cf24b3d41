"""What surrounds saving a rule: proposals, warnings, examples, canonical bytes."""

import hashlib
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from approvals.whitelist.domain.canonical_rule import CanonicalError, canonical, leaf, root, rule_document
from approvals.whitelist.domain.patterns import Pattern, compile_pattern
from approvals.whitelist.domain.propose import NoProposal, Proposal, propose_rule
from approvals.whitelist.domain.rules import Outcome, Rule, RuleKind, Scope, Subject
from approvals.whitelist.domain.warnings import Expectation, check_examples, warnings
from tests.whitelist.builders import argv, deny, exact, judge, line, outcome, rule

PROPOSALS = [
    (argv("git", "log", "-n", "1"), RuleKind.ARGV_GLOB, "git log -n 1"), (argv("echo", "a b*"), RuleKind.ARGV_GLOB, "echo 'a b*'"),
    (argv("echo", ""), RuleKind.ARGV_GLOB, "echo ''"), (line('echo  "a b"'), RuleKind.ARGV_GLOB, "echo 'a b'"),
    (line("ls > x"), RuleKind.EXACT, "ls > x"), (line("ls; id"), RuleKind.EXACT, "ls; id"), (line("export A=b"), RuleKind.EXACT, "export A=b"),
]  # fmt: skip


@pytest.mark.parametrize(("subject", "kind", "pattern"), PROPOSALS, ids=lambda value: str(value)[:20])
def test_the_proposal_lets_this_command_through_and_is_narrow(subject: Subject, kind: RuleKind, pattern: str) -> None:
    proposal = propose_rule(subject)
    assert isinstance(proposal, Proposal)
    assert (proposal.kind, proposal.pattern) == (kind, pattern)
    assert outcome(subject, rule(pattern, kind)) is Outcome.ALLOW
    if kind is RuleKind.ARGV_GLOB:
        compiled = compile_pattern(pattern)
        assert isinstance(compiled, Pattern)
        assert compiled.literal is not None


def test_wider_patterns_match_too() -> None:
    subject = argv("pytest", "-q", "tests/unit/test_a.py")
    proposal = propose_rule(subject)
    assert isinstance(proposal, Proposal)
    assert [wider.pattern for wider in proposal.wider] == ["pytest -q tests/unit/*.py", "pytest -q *"]
    for wider in proposal.wider:
        assert outcome(subject, rule(wider.pattern)) is Outcome.ALLOW


@pytest.mark.parametrize(
    "subject", [argv("echo", "\u202e"), line("echo $("), line("ls\nid"), argv("if"), line("")], ids=ascii
)
def test_no_proposal(subject: Subject) -> None:
    assert isinstance(propose_rule(subject), NoProposal)


DANGEROUS = """git **|git *|find **|find * **|tar **|rg **|sed *|ssh **|curl **|xargs **|env **|sudo **|sh -c *|bash **|zsh **|python -c *|
python3 **|python3.11 *|node *|perl **|make *|npm **|docker **|kubectl **|awk *|vim *|rsync **|zip **|man **|tee *|git log **|git rebase **|mystery **"""


@pytest.mark.parametrize("pattern", DANGEROUS.replace("\n", "").split("|"), ids=lambda value: f"attack34-{value}")
def test_warnings_show_a_command_that_the_rule_lets_through(pattern: str) -> None:
    found = warnings(rule(pattern))
    assert found
    compiled = compile_pattern(pattern)
    assert isinstance(compiled, Pattern)
    for warning in found:
        assert warning.text
        assert compiled.matches(warning.example)


@pytest.mark.parametrize("pattern", ["ls", "ls *", "git log", "find . -name x", "git status", "cat *", "sh -c ls"])
def test_no_warning_where_nothing_is_wide(pattern: str) -> None:
    assert warnings(rule(pattern)) == ()


def test_warnings_for_builtins_and_fragile_denials() -> None:
    assert "builtin" in warnings(rule("export *"))[0].text
    assert warnings(deny("ls > x", RuleKind.EXACT))
    assert warnings(deny("git **")) == ()
    assert warnings(rule("ls*")) == ()


def test_examples() -> None:
    checked = rule(
        "git log *", should_match=("git log x", "git log -x"), should_not_match=("git log y", "git push", "git log $x")
    )
    failed = check_examples(checked)
    assert [(one.example, one.expectation) for one in failed] == [
        ("git log -x", Expectation.SHOULD_MATCH),
        ("git log y", Expectation.SHOULD_NOT_MATCH),
    ]
    assert check_examples(exact("ls > x", should_match=("ls > x",), should_not_match=("ls", "ls > y"))) == ()
    assert (
        check_examples(deny("rm **", should_match=("rm x", "/bin/rm", "ls; rm x"), should_not_match=("rmdir x",))) == ()
    )
    assert check_examples(rule("ls*", should_not_match=("x",)))[0].why.startswith("the program must be named")
    assert check_examples(rule("x", RuleKind.REGEX, should_match=("x",)))


FULL = Rule(
    id="01", kind=RuleKind.ARGV_GLOB, effect="allow", pattern="echo '\u00e9' *",  # type: ignore[arg-type]
    scope=Scope(agents=("b", "a", "a"), cwds=("/srv/**",)), expires_at=datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC),
    max_uses=3, uses=1, reason="why", should_match=("echo x y",),
)  # fmt: skip
FULL_BYTES = (
    '{"effect":"allow","expires_at":"2030-01-02T03:04:05Z","id":"01","kind":"argv_glob","max_uses":3,"pattern":"echo \'\u00e9\' *",'
    '"reason":"why","scope":{"agents":["a","b"],"cwds":["/srv/**"],"hosts":[],"users":[]},"should_match":["echo x y"],'
    '"should_not_match":[],"v":1}'
)


def test_the_canonical_form_is_frozen() -> None:
    assert canonical(rule_document(FULL)).decode() == FULL_BYTES
    assert leaf(FULL) == hashlib.sha256(b"expacti/rule/1\n" + FULL_BYTES.encode()).digest()
    assert root([leaf(FULL)]) == hashlib.sha256(b"expacti/rules/1\n" + leaf(FULL)).hexdigest()
    assert root([]) == hashlib.sha256(b"expacti/rules/1\n").hexdigest()


def test_every_field_but_uses_changes_the_leaf() -> None:
    other = {
        "id": "02", "kind": RuleKind.EXACT, "effect": "deny", "pattern": "x", "scope": Scope(), "expires_at": None, "max_uses": None,
        "reason": "", "should_match": (), "should_not_match": ("z",),
    }  # fmt: skip
    assert set(other) == {field.name for field in fields(Rule)} - {"uses"}
    for name, value in other.items():
        assert leaf(replace(FULL, **{name: value})) != leaf(FULL)  # type: ignore[arg-type]
    assert leaf(replace(FULL, uses=2)) == leaf(FULL)
    zone = timezone(timedelta(hours=2))
    assert leaf(replace(FULL, expires_at=datetime(2030, 1, 2, 5, 4, 5, tzinfo=zone))) == leaf(FULL)


def test_the_root_ignores_order_alone() -> None:
    leaves = [leaf(replace(FULL, id=str(index))) for index in range(5)]
    assert root(leaves) == root(reversed(leaves)) != root(leaves[1:])
    with pytest.raises(CanonicalError):
        root([b"short"])


@pytest.mark.parametrize("value", [1.5, True, 2**53, "\ud800", "a\0", {"\u00e9": "x"}, [b"x"]], ids=ascii)
def test_what_has_no_canonical_form(value: object) -> None:
    with pytest.raises(CanonicalError):
        canonical(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("moment", [datetime(2030, 1, 1), datetime(2030, 1, 1, microsecond=1, tzinfo=UTC)], ids=str)  # noqa: DTZ001
def test_times_are_whole_and_have_a_zone(moment: datetime) -> None:
    with pytest.raises(CanonicalError):
        rule_document(replace(FULL, expires_at=moment))


def test_rfc8785_control_characters() -> None:
    assert canonical('\b\t\n\f\r"\\\x01\x7f\u20ac/') == '"\\b\\t\\n\\f\\r\\"\\\\\\u0001\x7f\u20ac/"'.encode()


def test_a_verdict_shows_the_parse() -> None:
    verdict = judge(line("echo \u00e9 $(ls 'a b') > x"), rule("ls **"))
    assert verdict.parsed is not None
    echo, inner = verdict.parsed.segments
    assert (inner.argv, inner.depth, inner.notes) == (("ls", "a b"), 1, ("a redirection", "a command substitution"))
    assert verdict.parsed.line[inner.start : inner.end] == "ls 'a b'"
    assert echo.argv is None
    assert [word.source for word in echo.words] == ["echo", "\u00e9", "$(ls 'a b')"]
