"""What a container of a DNS server sees of ConfigMaps: as folders, with a file for each key."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any


@dataclass(frozen=True)
class Mounted:
    """A volume as a folder, or a file of one.

    Attributes:
        folder: Where the container sees it.
        config_map: Name of the ConfigMap that it is; empty for a volume of another kind, and for a single file.
        items: Key and file of each that is seen; empty for all keys, as files of these names.
    """

    folder: str
    config_map: str
    items: tuple[tuple[str, str], ...]

    def files(self, data: Mapping[str, str]) -> dict[str, str]:
        """The text of each file by its path, from the data of the ConfigMap."""
        shown = self.items or tuple((key, key) for key in data)
        return {str(PurePosixPath(self.folder) / path): data[key] for key, path in shown if key in data}


@dataclass(frozen=True)
class Told:
    """What one pod is told.

    Attributes:
        config_map: In which its Corefile is.
        key: Which of its keys that is.
        image: That it runs.
        port: On which it is asked.
        folder: Where it sees its Corefile.
        mounted: The volumes that it sees.
    """

    config_map: str
    key: str
    image: str
    port: int
    folder: str
    mounted: tuple[Mounted, ...]


def mounted_folders(pod: Mapping[str, Any], container: Mapping[str, Any]) -> tuple[Mounted, ...]:
    """The volumes that a container sees."""
    return tuple(_mounted(pod, container))


def behind(folder: str, mounted: Iterable[Mounted]) -> Mounted | None:
    """The ConfigMap in which all files of a folder are; None where some may come from elsewhere, or from the image.

    A volume hides what the image has at its place, so a folder that is not in it is not there.
    """
    path = PurePosixPath(folder)
    known = list(mounted)
    if any(PurePosixPath(one.folder) != path and PurePosixPath(one.folder).is_relative_to(path) for one in known):
        return None
    around = [one for one in known if path.is_relative_to(one.folder)]
    nearest = max(around, key=lambda one: len(PurePosixPath(one.folder).parts), default=None)
    return nearest if nearest and nearest.config_map else None


def _mounted(pod: Mapping[str, Any], container: Mapping[str, Any]) -> Iterator[Mounted]:
    volumes = {str(one["name"]): one for one in (pod.get("spec") or {}).get("volumes") or []}
    for mount in container.get("volumeMounts") or []:
        config_map = (volumes.get(str(mount["name"])) or {}).get("configMap") or {}
        name = "" if mount.get("subPath") else str(config_map.get("name") or "")
        items = tuple((str(one["key"]), str(one["path"])) for one in config_map.get("items") or [])
        yield Mounted(str(PurePosixPath(str(mount["mountPath"]))), name, items)
