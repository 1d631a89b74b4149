"""What stands against a front cache is said before anything is changed, one line each, with what to do."""

import pytest

from chaoslib_cp.engine.poison.parser import parse_corefile
from chaoslib_cp.engine.poison.risks import front_cache_refusals
from tests.scaffold.corefiles import NAMES, PORTS, corefile

REFUSED = {
    "aks": ["import 'custom/*.override' brings in what the text does not tell"],
    "k3s": ["import '/etc/coredns/custom/*.override' brings in what the text does not tell"],
    "nodelocal": ["shows no kubernetes plugin"],
}
BLOCK = "kubernetes cluster.local in-addr.arpa {{\n    pods insecure\n}}\ncache 30\n{}"


def refusals(text: str, zone: str = "cluster.local", port: int = 53) -> tuple[str, ...]:
    """What stands against a front cache."""
    found = front_cache_refusals(parse_corefile(text), zone, port)
    assert all(len(line) <= 200 and "\n" not in line and ": " in line for line in found)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_real_corefiles_are_fit_or_refused_with_the_reason(name: str) -> None:
    """A part of the block that the text does not show is a reason; an import outside of it is none."""
    found = refusals(corefile(name), port=PORTS.get(name, 53))
    assert len(found) == len(REFUSED.get(name, []))
    for line, reason in zip(found, REFUSED.get(name, []), strict=True):
        assert reason in line


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ("autopath @kubernetes", "Corefile line 6: autopath: it searches by the client's address"),
        ("transfer {\n    to *\n}", "Corefile line 6: transfer: it hands whole zones"),
        ("cache {\n    serve_stale 1h verify\n}", "Corefile line 7: serve_stale: it answers from what has expired"),
        ("cache {\n    prefetch 3 60s 20%\n}", "Corefile line 7: prefetch: it asks again before"),
        ("cache {\n    keepttl\n}", "Corefile line 7: keepttl: it hides how a TTL counts down"),
        ("kubernetes other.local", "Corefile line 6: kubernetes is there for the second time"),
        ("import custom/*.override", "Corefile line 6: import 'custom/*.override' brings in"),
        ("hosts {\n    import lines\n}", "Corefile line 7: import 'lines' brings in"),
    ],
)
def test_each_reason_alone(more: str, reason: str) -> None:
    """In the block, or brought in by a snippet: the line named is the one to change."""
    text = f". {{\n{BLOCK.format(more)}\n}}\n"
    (found,) = refusals(text)
    assert found.startswith(reason)
    assert "first, or choose a lie" in found or "leave one" in found or "write its lines there" in found
    number = int(reason.removeprefix("Corefile line ").partition(":")[0])
    (again,) = refusals(f"(s) {{\n{more}\n}}\n. {{\n{BLOCK.format('import s')}\n}}\n")
    assert again.startswith(reason.replace(f"line {number}", f"line {number - 4}"))
    assert refusals(f". {{\n{BLOCK.format('')}\n}}\nexample.org {{\n{more}\n}}\n") == ()


@pytest.mark.parametrize(
    ("text", "zone", "port", "reason"),
    [
        ("", "cluster.local", 53, "no server block without a view answers for cluster.local. on port 53: name"),
        (
            ". {\n}",
            "cluster.local",
            5353,
            "no server block without a view answers for cluster.local. on port 5353: name",
        ),
        (
            ". {\nforward . 192.0.2.1\n}",
            "cluster.local",
            53,
            "Corefile line 1: the block that answers for cluster.local. shows",
        ),
        (
            ". {\nkubernetes a.local\n}",
            "b.local",
            53,
            "Corefile line 2: kubernetes answers for 'a.local.', not for b.local.:",
        ),
        ("a.local {\nkubernetes\n}", "a.local", 53, None),
        (". {\nkubernetes local\n}", "A.Local.", 53, None),
        (". {\nkubernetes alocal\n}", "a.alocal", 53, None),
        (
            ". {\nkubernetes alocal\n}",
            "balocal",
            53,
            "Corefile line 2: kubernetes answers for 'alocal.', not for balocal.:",
        ),
        (
            "{$Z} {\n}\n. {\nkubernetes a.local\n}",
            "a.local",
            53,
            "Corefile line 1: a variable names what this block serves",
        ),
        (
            "(s) {\na {\n}\n}\nimport s\n. {\nkubernetes a.local\n}",
            "a.local",
            53,
            "Corefile line 5: server blocks come from the snippet 's'",
        ),
    ],
)
def test_the_block_must_be_the_one_that_knows_the_zone(text: str, zone: str, port: int, reason: str | None) -> None:
    """The truth must come from this CoreDNS, else the lie has nothing to be withdrawn to."""
    found = refusals(text, zone, port)
    assert len(found) == (reason is not None)
    assert reason is None or found[0].startswith(reason)


def test_verified_pods_are_a_reason_where_views_look_at_them() -> None:
    """Behind a front cache every question comes from the front."""
    pods = ". {\nkubernetes cluster.local {\n    pods verified\n}\n%s}\n%s"
    view = "shop.svc.cluster.local%s {\nview shop {\n    expr metadata('kubernetes/client-namespace') == 'shop'\n}\n}\n"
    assert refusals(pods % ("", "")) == ()
    assert refusals(pods % ("", view % ":5399")) == ()
    for text in (pods % ("metadata\n", ""), pods % ("", view % "")):
        (found,) = refusals(text)
        assert found.startswith("Corefile line 3: pods: views look at the pod that asks")
    assert refusals((pods % ("metadata\n", "")).replace("verified", "insecure")) == ()
