"""Attacks 30 to 39, as an agent would try them: over HTTP, under the rules of a trusting admin.

The matcher's own suite is tests/whitelist. Here each must be stored as pending, with reasons that
the reviewer sees, and must never be answered with a grant.
"""

from __future__ import annotations

from typing import Any

import pytest

from approvals.models import CommandRequest
from tests.accounts.cast import Cast
from tests.approvals.factories import NONCE, AgentClient, allow, make_body

pytestmark = pytest.mark.django_db(databases=["default", "whitelist"])
RULES = ("ls", "git *", "echo *", "find *", "cat *", "npm test")

# What the rules are for: each is approved and released in one round trip.
GOOD: list[Any] = [
    ["ls"], ["git", "status"], ["echo", "hello"], ["cat", "README.md"], ["npm", "test"],
    "ls", "git status", "ls && git status", "cat 'a b' | echo hello", 'echo "plain words"; ls', "npm test",
]  # fmt: skip
# Letters, digits: the attack's number; then the line, or the list of words.
LINES: dict[str, list[str]] = {
    "30": [
        "ls; rm -rf /", "ls && x", "ls || x", "ls | sh", "ls & x", "ls &", "ls\nx", "ls\rx", "ls\u00a0x",
        "ls \\\nx", "ls\u2028x", "ls\tx;x", "!ls", "time ls", "ls;", "ls |& sh",
    ],
    "31": [
        "echo $(x)", "echo `x`", "cat <(x)", "echo ${x:-$(y)}", 'echo "$(x)"', 'echo "`x`"',
        'echo "${x}"', "echo $((1+1))", "echo $[1]", "ls $(x)", 'echo "${x@P}"', "echo $'\\x41'", 'echo $"x"',
    ],
    "32": [
        "echo x > ~/.bashrc", "echo x >| f", "echo x >> f", "cat <<< x", "cat <<EOF\nx\nEOF", "cat < f",
        "echo x 2>&1", "echo x &> f", "ls >f", "cat <<-E\nx\nE", "echo x >&2", "ls <> f",
    ],
    "33": [
        "FOO=bar git status", "PATH=. git status", "GIT_SSH_COMMAND=x git pull", "env ls", "command ls", "exec ls",
        "eval ls", "xargs ls", "sudo ls", "nohup ls", "builtin echo x", "nice ls", "timeout 1 ls", "\\ls x;y",
    ],
    "34": [
        "find -exec x", "find -delete", "find . -exec rm {} ;", "find -fprint f", "find -ok x", "git -c", "git -c a=b status",
        "git --exec-path=/tmp status", "git -p", "git -p log", "cat -A", "echo -e x y",
    ],
    "35": ["./ls", "/tmp/ls", "lstmeval", "LS", "ls.", "'ls '", "l's' x", "../ls", "/usr/bin/ls"],
    "36": [" && ".join(["ls"] * 51), "echo " + "a" * 17 * 1024, "(" * 9 + "ls" + ")" * 9],
    "37": [
        "echo \u202ex", "echo \u200bx", "echo \x1b[31m", "echo e\u0301", "l\u0455", "\u200bls", "ls\u200b", "echo \x07",
        "ls\u3164", "cat \u2066x", "echo x\x7f",
    ],
    "38": [
        "echo {a,b}", "echo *", "cat ?", "cat [a]", "ls$IFS", "echo ~", "echo $x", "cat ~root/x", "ls() { x; }; ls",
        "alias ls=x; ls", "function ls { x; }", "echo @(a)", "if ls; then x; fi", "for i in a; do ls; done", "{ ls; }",
        "(ls)", "[[ x ]]", "((x))", "coproc ls",
    ],
}  # fmt: skip
ARGV: dict[str, list[list[str]]] = {
    "33": [["env", "ls"], ["sudo", "ls"], ["xargs", "ls"], ["nohup", "ls"], ["sh", "-c", "ls"]],
    "34": [
        ["find", "-exec", "x"], ["find", "-delete"], ["find", ".", "-delete"], ["git", "-c"], ["git", "-p"],
        ["git", "--exec-path=/tmp"], ["git", "-c", "core.pager=x", "log"], ["cat", "-"], ["git"], ["git", "a", "b"],
    ],
    "35": [["./ls"], ["/tmp/ls"], ["lstmeval"], ["ls "], ["ls", ""], ["/usr/bin/ls"], ["LS"]],
    "36": [["echo", "a" * 17 * 1024]],
    "37": [["echo", "\u202ex"], ["echo", "\x1b[31m"], ["echo", "a\nb"], ["echo", "\u200b"], ["l\u0455"]],
}  # fmt: skip
BAD: list[Any] = [(number, line) for number, lines in LINES.items() for line in lines]
BAD += [(number, words) for number, many in ARGV.items() for words in many]


def ident(value: Any) -> str:
    return ascii(value)[:60]


@pytest.fixture
def trusting(cast: Cast) -> Cast:
    for pattern in RULES:
        allow(cast, pattern)
    return cast


def send(cast: Cast, agent: AgentClient, line: Any, **changes: Any) -> dict[str, Any]:
    form: dict[str, Any] = {"command": line} if isinstance(line, str) else {}
    words = () if isinstance(line, str) else line
    if words and not words[0].startswith("/"):
        # The client would have resolved it; a lie about where the program lies changes nothing.
        changes.setdefault("exe", "/usr/bin/" + words[0].split("/")[-1].strip() if words[0].strip() else None)
    made = agent.submit(make_body(cast.agent, *words, release_nonce=NONCE, **form, **changes))
    assert made.status_code == 201, made.content
    return dict(made.json())


@pytest.mark.parametrize("line", GOOD, ids=ident)
def test_control_what_the_rules_are_for(trusting: Cast, agent: AgentClient, line: Any) -> None:
    answer = send(trusting, agent, line)
    assert (answer["state"], answer["decided_by"]) == ("released", "rule"), answer["match"]
    assert answer["grant"].count(".") == 2


@pytest.mark.parametrize(("number", "line"), BAD, ids=ident)
def test_attacks_30_to_38_go_to_a_human(trusting: Cast, agent: AgentClient, number: str, line: Any) -> None:
    del number
    answer = send(trusting, agent, line)
    assert (answer["state"], answer["decided_by"], answer["match"]["outcome"]) == ("pending", None, "review")
    assert answer["match"]["reasons"]
    assert "grant" not in answer
    assert agent.release(answer).status_code == 202
    assert CommandRequest.objects.get().grant == ""


@pytest.mark.parametrize("line", ["ls\x00", "echo \x00 x"])
def test_attack_30_nul_is_refused_before_it_is_stored(trusting: Cast, agent: AgentClient, line: str) -> None:
    body = make_body(trusting.agent, command=line, release_nonce=NONCE)
    refused = agent.submit(body)
    assert (refused.status_code, refused.json()["code"]) == (400, "malformed_json")
    assert not CommandRequest.objects.exists()


@pytest.mark.parametrize(
    "env",
    [
        {"LD_PRELOAD": "/tmp/x.so"}, {"PATH": "/tmp:/usr/bin"}, {"BASH_ENV": "/tmp/x"}, {"BASH_FUNC_ls%%": "() { x; }"},
        {"GIT_SSH_COMMAND": "x"}, {"IFS": "x"}, {"ENV": "x"}, {"LD_LIBRARY_PATH": "/tmp"}, {"NODE_OPTIONS": "-r x"},
        {"PATH": None}, {"PROMPT_COMMAND": "x"}, {"SHELLOPTS": "xtrace"}, {"PAGER": "x"}, {"PERL5OPT": "x"},
    ],
    ids=ident,
)  # fmt: skip
def test_attack_33_environment_that_changes_what_runs(trusting: Cast, agent: AgentClient, env: dict[str, Any]) -> None:
    for line in (["ls"], "ls"):
        answer = send(trusting, agent, line, env=env)
        assert (answer["state"], answer["match"]["outcome"]) == ("pending", "review")


@pytest.mark.parametrize("exe", ["/tmp/ls", "/home/app/bin/ls", "/usr/bin/../../tmp/ls", "/usr/bin/rm"])
def test_attack_35_program_from_an_untrusted_place(trusting: Cast, agent: AgentClient, exe: str) -> None:
    made = agent.submit(make_body(trusting.agent, "ls", exe=exe, release_nonce=NONCE))
    assert made.status_code in {201, 422}
    if made.status_code == 201:
        assert made.json()["state"] == "pending"


@pytest.mark.parametrize("stdin", ["open", "sha256:" + "0" * 64])
def test_standard_input_is_never_approved_by_a_rule(trusting: Cast, agent: AgentClient, stdin: str) -> None:
    assert send(trusting, agent, ["ls"], stdin=stdin)["state"] == "pending"


@pytest.mark.parametrize("shell", ["/bin/zsh", "/tmp/bash", "/bin/sh"])
def test_attack_30_another_shell_is_another_grammar(trusting: Cast, agent: AgentClient, shell: str) -> None:
    answer = send(trusting, agent, "ls", shell=shell, exe=shell)
    assert answer["state"] == ("released" if shell == "/bin/sh" else "pending")


def test_unbound_path_is_the_organizations_choice(trusting: Cast, agent: AgentClient) -> None:
    assert send(trusting, agent, ["ls"], exe=None)["state"] == "released"
    trusting.first.allow_unbound_names = False
    trusting.first.save()
    assert send(trusting, agent, ["ls"], exe=None)["state"] == "pending"


def test_attack_39_no_kind_of_rule_backtracks(cast: Cast) -> None:
    from core.problems import Problem

    with pytest.raises(Problem) as refused:
        allow(cast, "(a+)+$", kind="regex")
    assert refused.value.status == 422


def test_attack_39_many_stars_match_in_time(cast: Cast, agent: AgentClient) -> None:
    allow(cast, "echo " + "** " * 30 + "x")
    answer = send(cast, agent, ["echo", *["a"] * 900])
    assert answer["state"] == "pending"
