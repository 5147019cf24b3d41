"""What a command must be, apart from its words, before any rule may approve it.

Rules: design sections 3 and 9. Each check answers with reasons in words; one reason is enough to
send the command to a human, whatever the rules say.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping

from approvals.whitelist.domain.characters import hidden_characters, name_characters, visible
from approvals.whitelist.domain.limits import byte_length
from approvals.whitelist.domain.model import Form, Settings, Subject
from approvals.whitelist.domain.programs import BOUND_SHELLS, base_name

_ENV_REASONS = (
    (re.compile(r"PATH"), "decides which programs run"),
    (re.compile(r"(LD|DYLD)_.*|GCONV_PATH|LOCPATH"), "loads code into every program"),
    (
        re.compile(r"BASH_ENV|ENV|ZDOTDIR|PROMPT_COMMAND|SHELLOPTS|BASHOPTS|PS4"),
        "runs or changes the shell before the command",
    ),
    (re.compile(r"BASH_FUNC_.*|BASH_ALIASES"), "defines a shell function that can replace a command"),
    (re.compile(r"IFS|CDPATH|GLOBIGNORE|POSIXLY_CORRECT"), "changes how the shell reads the command"),
    (re.compile(r"GIT_.*|.*PAGER|.*EDITOR|VISUAL|BROWSER|LESS.*"), "names programs that other programs start"),
    (
        re.compile(r"PYTHON.*|NODE_.*|NPM_.*|npm_.*|PERL.*|RUBY.*|JAVA_.*|_JAVA_.*|JDK_.*"),
        "loads code into an interpreter",
    ),
    (re.compile(r".*_PROXY|.*_proxy|SSL_.*|CURL_.*|REQUESTS_.*"), "redirects what is fetched from the network"),
    (re.compile(r"HOME|XDG_.*|USER|LOGNAME|SHELL|TMPDIR"), "moves the files that configure programs"),
)
_LOCALE = re.compile(r"(C|POSIX|[A-Za-z]{2,3}(_[A-Z]{2})?)?\.(utf-?8)|C|POSIX|", re.IGNORECASE)
_PRINTABLE = re.compile(r"[ -~]*")


def blockers(subject: Subject, settings: Settings) -> tuple[str, ...]:
    """Every reason why no rule may approve this command, apart from the words of a line."""
    return tuple(
        dict.fromkeys(
            (
                *_shape(subject),
                *_hidden(subject),
                *_argv_limits(subject, settings),
                *_directory(subject),
                *_stdin(subject),
                *_environment(subject, settings),
                *_program(subject, settings),
            )
        )
    )


def is_normal_path(path: str) -> bool:
    """Absolute, without `.`, `..`, empty components or a slash at the end."""
    return path.startswith("/") and not path.startswith("//") and posixpath.normpath(path) == path


def name_blockers(name: str, subject: Subject, settings: Settings) -> Iterator[str]:
    """Why a command of this name inside a shell line may not be approved by a rule."""
    shown = visible(name)
    if name_characters(name):
        yield f"the name {shown} is not ASCII"
    if "/" not in name:
        return
    if subject.exe is None:
        yield f"{shown} names a path, and the host runs the line itself: path not bound"
    elif not is_normal_path(name):
        yield f"{shown} is not an absolute, normalised path"
    elif not in_trusted_directory(name, settings):
        yield f"{shown} is not in a trusted directory"


def in_trusted_directory(path: str, settings: Settings) -> bool:
    """Whether a normalised absolute path stands directly in a trusted directory."""
    return is_normal_path(path) and posixpath.dirname(path) in settings.trusted_directories


def _shape(subject: Subject) -> Iterator[str]:
    if subject.form is Form.ARGV:
        if not subject.argv or not subject.argv[0] or subject.command is not None or subject.shell is not None:
            yield "the command is malformed: an argv needs a program, and no line and no shell"
    elif subject.command is None or subject.argv is not None:
        yield "the command is malformed: a shell line needs a line and no argv"


def _hidden(subject: Subject) -> Iterator[str]:
    texts = [("the line", subject.command), ("exe", subject.exe), ("shell", subject.shell), ("cwd", subject.cwd)]
    texts += [("user", subject.user), ("host", subject.host), ("stdin", subject.stdin)]
    texts += [("an argument", argument) for argument in subject.argv or ()]
    texts += [text for name, value in subject.env.items() for text in (("env", name), ("env", value))]
    for what, text in texts:
        for finding in hidden_characters(text or "")[:1]:
            yield f"{what} has a {finding.reason}"


def _argv_limits(subject: Subject, settings: Settings) -> Iterator[str]:
    if not subject.argv:
        return
    limits = settings.limits
    size = sum(byte_length(argument) for argument in subject.argv)
    if size > limits.max_bytes:
        yield f"the arguments have {size} bytes, more than {limits.max_bytes}"
    if len(subject.argv) > limits.max_arguments:
        yield f"the command has {len(subject.argv)} words, more than {limits.max_arguments}"
    if name_characters(subject.argv[0]):
        yield f"the name {visible(subject.argv[0])} is not ASCII"


def _directory(subject: Subject) -> Iterator[str]:
    if not is_normal_path(subject.cwd):
        yield "cwd is not an absolute, normalised path"


def _stdin(subject: Subject) -> Iterator[str]:
    if subject.stdin == "open":
        yield "standard input is open: what will be typed or piped in is not known"
    elif subject.stdin != "none":
        yield "standard input has content, which no rule covers"


def _environment(subject: Subject, settings: Settings) -> Iterator[str]:
    for name, value in subject.env.items():
        if name not in settings.safe_env_names and not name.startswith(settings.safe_env_prefixes):
            change = "unsets" if value is None else "sets"
            yield f"the environment {change} {visible(name)}, which {_env_reason(name)}"
        elif value is not None and not _safe_value(name, value):
            yield f"the environment sets {visible(name)} to an unusual value"


def dangerous_names(env: Mapping[str, str | None]) -> frozenset[str]:
    """The names in a change of the environment that are known to change what runs."""
    return frozenset(name for name in env if any(pattern.fullmatch(name) for pattern, _ in _ENV_REASONS))


def _env_reason(name: str) -> str:
    return next((why for pattern, why in _ENV_REASONS if pattern.fullmatch(name)), "no rule covers")


def _safe_value(name: str, value: str) -> bool:
    """Printable ASCII; no path (TZ reads files, TERM a database); locales only in UTF-8.

    In other multi-byte locales (Big5, Shift-JIS, GBK) the shell may take a backslash or a pipe
    as the second byte of a character, and so read a line differently from us.
    """
    if name == "LANG" or name.startswith("LC_"):
        return _LOCALE.fullmatch(value) is not None
    return _PRINTABLE.fullmatch(value) is not None and not value.startswith(("/", ":", ".", "<")) and ".." not in value


def _program(subject: Subject, settings: Settings) -> Iterator[str]:
    if subject.exe is None:
        yield from _unbound_program(subject, settings)
        return
    if not is_normal_path(subject.exe):
        yield "exe is not an absolute, normalised path"
    elif not in_trusted_directory(subject.exe, settings):
        yield f"{subject.exe} is not in a trusted directory"
    if subject.form is Form.SHELL:
        yield from _bound_shell(subject)
    elif subject.argv:
        yield from _bound_argv(subject.argv[0], subject.exe)


def _unbound_program(subject: Subject, settings: Settings) -> Iterator[str]:
    if not settings.allow_unbound_plain_names:
        yield "path not bound: the host chooses the program, and the organization's settings do not allow that"
    if subject.form is Form.ARGV and subject.argv and "/" in subject.argv[0]:
        yield f"{visible(subject.argv[0])} names a path, but exe is missing: path not bound"
    if subject.form is Form.SHELL and subject.shell is not None and base_name(subject.shell) not in BOUND_SHELLS:
        yield f"{visible(subject.shell)} is not a shell whose lines are understood"


def _bound_shell(subject: Subject) -> Iterator[str]:
    if base_name(subject.exe or "") not in BOUND_SHELLS:
        yield f"{visible(subject.exe or '')} is not a shell whose lines are understood"
    if subject.shell != subject.exe:
        yield "shell and exe are not the same program"


def _bound_argv(name: str, exe: str) -> Iterator[str]:
    if "/" in name and not name.startswith("/"):
        yield f"{visible(name)} is a relative path: it depends on the directory"
    elif name.startswith("/") and name != exe:
        yield f"{visible(name)} is not what would run ({visible(exe)})"
    if base_name(name) != base_name(exe):
        yield f"the program {visible(exe)} would run under another name ({visible(name)})"
