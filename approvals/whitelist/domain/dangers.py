"""Arguments through which well-known programs run other programs or write files.

Sources: each program's manual, GTFOBins for the idea. The list is for warnings while a rule is
saved, never for decisions: what it lacks is not thereby safe.
"""

Danger = tuple[tuple[str, ...], str]
"""Arguments after the program, and what they do."""

_RUNS = "runs any command"
_CODE = "runs any code"
_SHELL: tuple[Danger, ...] = ((("-c", "id"), _RUNS), (("/tmp/x",), "runs any script"))  # noqa: S108 -- an example
_PYTHON: tuple[Danger, ...] = (
    (("-c", "import os"), _CODE),
    (("-m", "pip"), "runs any module"),
    (("x.py",), "runs any script"),
)
_EVAL: tuple[Danger, ...] = ((("-e", "code"), _CODE), (("x.js",), "runs any script"))
_WRAP: tuple[Danger, ...] = ((("id",), _RUNS), (("sh", "-c", "id"), _RUNS))
_CONTAINER: tuple[Danger, ...] = (
    (("exec", "web", "id"), "runs any command in a container"),
    (("run", "-v", "/:/host", "x"), "mounts this machine's disk into a container"),
)
_EDITOR: tuple[Danger, ...] = ((("-c", ":!id"), _RUNS), (("/etc/passwd",), "edits any file"))
_AWK: tuple[Danger, ...] = ((('BEGIN{system("id")}',), _RUNS), (("-f", "x.awk"), "runs any script"))

_GIT_OUTPUT: tuple[Danger, ...] = (
    (("--output=/etc/x",), "--output writes any file"),
    (("--ext-diff",), "--ext-diff runs the configured diff program"),
)
_GIT_REMOTE: tuple[Danger, ...] = (
    (("--upload-pack=id",), "--upload-pack runs any command"),
    (("ext::id",), "ext:: remotes run any command"),
)
GIT_DANGERS: dict[str, tuple[Danger, ...]] = {
    **dict.fromkeys(["log", "diff", "show", "stash", "format-patch"], _GIT_OUTPUT),
    **dict.fromkeys(["fetch", "pull", "clone", "ls-remote"], _GIT_REMOTE),
    "push": (
        (("--receive-pack=id",), "--receive-pack runs any command"),
        (("ext::id",), "ext:: remotes run any command"),
    ),
    "grep": ((("--open-files-in-pager=id",), "-O runs any command"),),
    "rebase": ((("--exec=id",), "--exec runs any command"),),
    "bisect": ((("run", "id"), "run runs any command"),),
    "submodule": ((("foreach", "id"), "foreach runs any command"),),
    "config": ((("core.pager", "id"), "sets options that name programs to run"),),
}
"""By subcommand, for rules that name one."""

DANGERS: dict[str, tuple[Danger, ...]] = {
    "git": (
        (("-c", "core.pager=id", "log"), "-c sets options that name programs to run"),
        (("--exec-path=x", "log"), "--exec-path chooses git's own programs"),
        (("-p", "log"), "-p starts a pager"),
        (("clone", "ext::id"), "ext:: remotes run any command"),
        (("gc",), "any subcommand, with the repository's aliases and hooks"),
    ),
    "find": (
        (("-exec", "id", ";"), "-exec runs any command"),
        (("-delete",), "-delete deletes files"),
        (("-fprint", "/etc/x"), "-fprint writes any file"),
        (("-ok", "id", ";"), "-ok runs any command"),
    ),
    "fd": ((("-x", "id"), "-x runs any command"),),
    "tar": (
        (("--checkpoint=1", "--checkpoint-action=exec=id"), "--checkpoint-action runs any command"),
        (("--to-command=id",), "--to-command runs any command"),
        (("-I", "id"), "-I runs any command"),
        (("xIf", "id", "x.tar"), "options without a dash run any command"),
        (("cf",), "options without a dash are options all the same"),
    ),
    "rg": ((("--pre=id", "x"), "--pre runs any command"), (("--pre", "id"), "--pre runs any command")),
    "grep": ((("-f", "/etc/shadow"), "-f reads any file"),),
    "sed": (
        (("1e id",), "the e command runs any command"),
        (("w /etc/x",), "the w command writes any file"),
        (("-i", "x"), "-i changes files"),
    ),
    "ssh": (
        (("-oProxyCommand=id", "x"), "ProxyCommand runs any command here"),
        (("host", "id"), "runs any command there"),
    ),
    "scp": ((("-S", "id", "a", "b"), "-S runs any command"), (("-oProxyCommand=id",), "ProxyCommand runs any command")),
    "rsync": ((("-e", "id", "a", "b"), "-e runs any command"), (("--rsync-path=id",), "--rsync-path runs any command")),
    "curl": (
        (("-o", "/etc/x", "https://x"), "-o writes any file"),
        (("-K", "x"), "-K reads options from a file"),
        (("file:///etc/passwd",), "reads any file, and any address inside the network"),
    ),
    "wget": (
        (("--use-askpass=id",), "--use-askpass runs any command"),
        (("-O", "/etc/x", "https://x"), "-O writes any file"),
    ),
    "zip": ((("x.zip", "x", "-T", "-TT", "id"), "-TT runs any command"),),
    "man": ((("-P", "id", "ls"), "-P runs any command"), (("-Hid", "ls"), "-H runs any command")),
    "tee": ((("/etc/x",), "writes any file"),),
    "dd": ((("of=/dev/sda",), "writes any file or disk"),),
    "make": (
        (("SHELL=id",), "variables name programs to run"),
        (("-f", "x"), "runs any makefile"),
        (("x",), "runs any target"),
    ),
    "npm": (
        (("exec", "x"), _RUNS),
        (("install", "x"), "runs the install scripts of any package"),
        (("x",), "runs lifecycle scripts"),
    ),
    "npx": ((("x",), "runs any package"),),
    "pip": ((("install", "x"), "runs the setup code of any package"),),
    "docker": _CONTAINER,
    "podman": _CONTAINER,
    "kubectl": (
        (("exec", "web", "--", "id"), "runs any command in a pod"),
        (("delete", "ns", "x"), "deletes anything"),
    ),
    "xargs": (*_WRAP, (("-I", "id"), "takes the command from its arguments")),
    "env": (
        *_WRAP,
        (("-S", "id"), "-S runs any command line"),
        (("LD_PRELOAD=x", "ls"), "loads code into any program"),
    ),
    "less": ((("+!id",), "+! runs any command"),),
    "sort": (
        (("--compress-program=id",), "--compress-program runs any command"),
        (("-o", "/etc/x"), "-o writes any file"),
    ),
    "awk": _AWK,
    "gawk": _AWK,
    "mawk": _AWK,
    "vim": _EDITOR,
    "vi": _EDITOR,
    "nvim": _EDITOR,
    "perl": _EVAL,
    "ruby": _EVAL,
    "node": _EVAL,
    "nodejs": _EVAL,
    "deno": _EVAL,
    "php": ((("-r", "code"), _CODE), (("x.php",), "runs any script")),
    "python": _PYTHON,
    "python3": _PYTHON,
    "cp": ((("x", "/etc/x"), "writes any file"),),
    "mv": ((("x", "/etc/x"), "writes any file"),),
    "rm": ((("-rf", "/"), "deletes anything"), (("/etc/x",), "deletes any file")),
}
SHELL_DANGERS = _SHELL
WRAPPER_DANGERS = _WRAP
