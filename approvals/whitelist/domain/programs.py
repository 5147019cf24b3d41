"""What is known about programs by name: the shell's builtins, and programs that run others.

Sources: bash 5.2 `compgen -b`, dash(1), zshbuiltins(1) and the programs' own manuals.
"""

import posixpath
from collections.abc import Sequence

SHELLS = frozenset(["sh", "bash", "dash", "zsh", "ksh", "mksh", "ash", "fish", "busybox"])
BOUND_SHELLS = frozenset(["bash", "sh", "dash"])
"""Shells whose reading of plain lines is tested against the strict tokenizer's."""

INTERPRETERS = SHELLS | frozenset(
    ["python", "python2", "python3", "pypy3", "perl", "ruby", "node", "nodejs", "deno", "bun", "php", "lua", "tclsh"]
    + ["awk", "gawk", "mawk", "xargs", "parallel", "ssh", "sudo", "doas", "env", "nohup", "time", "timeout", "nice"]
    + ["bc", "gdb", "psql", "mysql", "sqlite3", "at", "batch", "crontab", "source", ".", "eval", "exec", "command"]
)
"""Given a pipe as standard input, these run what they read, or start something that may."""

WRAPPERS = frozenset(
    ["env", "sudo", "doas", "nohup", "xargs", "command", "exec", "builtin", "time", "nice", "ionice", "timeout"]
    + ["setsid", "stdbuf", "chroot", "unshare", "nsenter", "setpriv", "runuser", "su", "flock", "watch", "strace"]
    + ["ltrace", "script", "parallel", "find", "busybox", "eval", "ssh", "chrt", "taskset", "systemd-run", "pkexec"]
    + ["unbuffer", "entr", "coproc", "noglob", "nocorrect", "fd", "docker", "podman", "kubectl", "rlwrap", "faketime"]
    + ["toybox", "catchsegv", "fakeroot", "dbus-run-session", "xvfb-run", "npx", "uvx", "poetry", "uv", "pipenv"]
)
"""Each runs a command that stands among its own arguments."""

STRING_RUNNERS = SHELLS | frozenset(
    ["eval", "ssh", "su", "runuser", "watch", "env", "script", "flock", "parallel", "trap"]
)
"""Each runs a shell line that stands among its arguments as one string."""

HARMLESS_BUILTINS = frozenset([":", "echo", "exit", "false", "kill", "printf", "pwd", "test", "true", "type"])
"""Builtins that leave the shell as it was (`printf -v` and `test -v` do not: see `refused_builtin`)."""

BUILTINS = frozenset(
    ". : [ alias bg bind break builtin caller cd command compgen complete compopt continue declare dirs disown "
    "echo enable eval exec exit export false fc fg getopts hash help history jobs kill let local logout mapfile "
    "popd printf pushd pwd read readarray readonly return set shift shopt source suspend test times trap true "
    "type typeset ulimit umask unalias unset wait "
    # zsh
    "autoload bindkey chdir disable emulate float functions getln integer print private pushln rehash sched "
    "setopt unfunction unhash unsetopt vared whence where which zcompile zle zmodload zparseopts zstyle".split()
)
DIRECTORY_BUILTINS = frozenset(["cd", "pushd", "popd", "chdir"])


def base_name(program: str) -> str:
    """The last component of a program's name, as it is written."""
    return posixpath.basename(program)


def deny_key(program: str) -> str:
    """How deny rules name programs: by base name, whatever the case (file systems may ignore it)."""
    return base_name(program.rstrip("/")).casefold()


def refused_builtin(argv: Sequence[str], *, alone: bool) -> str | None:
    """Why no pattern may approve this builtin in a shell line; None where one may.

    They change the shell under the commands that follow, or evaluate their arguments as code
    (`test -v 'a[$(id)]'` runs id). `cd` and its kin may stand alone, where nothing follows.
    """
    name = argv[0]
    if name not in BUILTINS:
        return None
    if name in DIRECTORY_BUILTINS:
        return None if alone else f"{name} moves the commands after it to another directory"
    if name not in HARMLESS_BUILTINS:
        return f"the shell builtin {name} can change the shell or run its arguments"
    if name == "printf" and len(argv) > 1 and argv[1].startswith("-v"):
        return "printf -v sets a variable of the shell"
    if name == "test" and any(argument in {"-v", "-R"} for argument in argv):
        return "test -v evaluates the name that it is given"
    return None


def runs_its_input(argv: Sequence[str]) -> bool:
    """Whether a program at the end of a pipe runs what it reads from it."""
    name = base_name(argv[0])
    return name in INTERPRETERS or name.rstrip("0123456789.") in INTERPRETERS
