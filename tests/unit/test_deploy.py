"""deploy/: as far as it can be checked without the engines that run it."""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.config import Settings, load
from tests.support.guide import parsed

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
KEYS = dict.fromkeys(("OPENAI_API_KEY", "GATEWAY_KEY"), "a-key-of-at-least-sixteen-characters")


def loaded(file: Path) -> Settings:
    """The settings of a configuration, reachable from outside as in a container."""
    return load(path=file, environ=KEYS, overrides={"server.host": "0.0.0.0"}, cwd=file.parent)


def tool(name: str) -> str:
    """The path of a program; skips if it is not installed here."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed here")
    return found


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, with continued lines joined."""
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    return [(line.split(None, 1)[0], line.split(None, 1)[1].strip()) for line in lines]


def instruction(name: str) -> str:
    """The last instruction of that name, which is the one that counts."""
    return [text for found, text in instructions() if found == name][-1]


def manifests() -> dict[str, Any]:
    """The Kubernetes objects by their kind."""
    return {found["kind"]: found for found in yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())}


def container() -> dict[str, Any]:
    """The container of the pods."""
    [found] = manifests()["Deployment"]["spec"]["template"]["spec"]["containers"]
    return dict(found)


def test_what_the_files_say_of_setting_up_names_files_of_this_repository():
    """The commands in their first lines work in a clone as they are printed."""
    text = "".join(file.read_text() for file in sorted(DEPLOY.iterdir()))
    copied = re.findall(r"^# +install .* (\S+) /etc/\S+$", text, re.MULTILINE)
    mounted = re.findall(r"^# .* -v (\S+?):", text, re.MULTILINE)
    applied = re.findall(r"^# .* -f (\S+)", text, re.MULTILINE)
    assert sorted(copied) == ["deploy/gateway.service", "deploy/gateway.toml"]
    assert mounted == ["./deploy/gateway.toml"]
    assert len(applied) >= 3
    assert all((ROOT / name).is_file() for name in [*copied, *mounted, *applied])


def test_the_configuration_is_accepted_beyond_loopback():
    """It has client keys, so that the gateway listens where containers are reached."""
    settings = loaded(DEPLOY / "gateway.toml")
    assert [key.name for key in settings.keys] == ["team"]
    assert settings.warnings == ()


def test_the_image_is_not_root_and_starts_the_gateway():
    """The user is a number, and the command is one that the gateway understands."""
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", instruction("USER"))
    assert yaml.safe_load(instruction("ENTRYPOINT")) == ["gateway"]
    options = parsed(yaml.safe_load(instruction("CMD")))
    assert (options["host"], options["port"], options["log_format"]) == ("0.0.0.0", 8000, "json")
    assert instruction("EXPOSE") == "8000"


def test_what_the_image_is_made_of_is_there_and_is_sent_to_the_builder():
    """Each file that is copied exists, and the list of what is left out leaves it in."""
    kept = set(re.findall(r"^!(.+)$", (DEPLOY / "Dockerfile.dockerignore").read_text(), re.MULTILINE))
    copied = [text.split()[:-1] for name, text in instructions() if name == "COPY" and "--from" not in text]
    for source in (source for sources in copied for source in sources):
        assert (ROOT / source).exists()
        assert source in kept


def test_a_unit_file_holds_for_systemd(tmp_path: Path):
    """systemd finds nothing wrong with it, once the gateway is where it says, and rates its exposure as low."""
    program = tool("systemd-analyze")
    unit = tmp_path / "gateway.service"
    unit.write_text((DEPLOY / "gateway.service").read_text().replace("/opt/gateway/bin/gateway", sys.executable))
    verified = subprocess.run([program, "verify", unit], capture_output=True, text=True, check=False, timeout=60)
    assert (verified.returncode, verified.stderr) == (0, "")
    rated = [program, "security", "--offline=yes", "--threshold=20", unit]
    exposure = subprocess.run(rated, capture_output=True, text=True, check=False, timeout=60)
    assert exposure.returncode == 0, exposure.stdout[-500:]


def unit() -> dict[str, str]:
    """The settings of the unit file."""
    lines = (DEPLOY / "gateway.service").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def test_the_unit_serves_and_reloads_and_gives_time_to_drain():
    """The command is understood, a reload is SIGHUP, and nothing is killed before the grace time is over."""
    program, *command = shlex.split(unit()["ExecStart"])
    assert program == "/opt/gateway/bin/gateway"
    assert parsed(command)["config"] == Path("/etc/gateway/gateway.toml")
    assert unit()["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert unit()["KillMode"] == "mixed"
    assert int(unit()["TimeoutStopSec"]) > loaded(DEPLOY / "gateway.toml").server.grace_s + 5


def compose() -> dict[str, Any]:
    """The compose file."""
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return found


def test_the_compose_file_runs_two_gateways_behind_nginx():
    """Each with the configuration that is here, from this tree, and with time to drain."""
    services = compose()["services"]
    assert sorted(services) == ["gateway-1", "gateway-2", "nginx"]
    for name in ("gateway-1", "gateway-2"):
        service = services[name]
        build = service["build"]
        assert (DEPLOY / build["context"]).resolve() == ROOT
        assert (ROOT / build["dockerfile"]).is_file()
        assert int(service["stop_grace_period"].rstrip("s")) > loaded(DEPLOY / "gateway.toml").server.grace_s + 5
        assert set(service["environment"]) == set(KEYS)
    mounts = [mount for service in services.values() for mount in service["volumes"]]
    assert all((DEPLOY / mount.split(":")[0]).is_file() for mount in mounts)
    servers = re.findall(r"server (gateway-\d):8000", (DEPLOY / "nginx.conf").read_text())
    assert servers == ["gateway-1", "gateway-2"]


def test_the_compose_file_holds_for_docker():
    """docker finds nothing wrong with it."""
    docker = tool("docker")
    if subprocess.run([docker, "compose", "version"], capture_output=True, check=False, timeout=60).returncode:
        pytest.skip("docker compose is not installed here")
    command = [docker, "compose", "-f", DEPLOY / "compose.yaml", "config", "--quiet"]
    done = subprocess.run(command, env=KEYS, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_nginx_takes_its_configuration(tmp_path: Path):
    """nginx -t, with addresses in the place of the names that only compose knows."""
    program = tool("nginx")
    file = tmp_path / "nginx.conf"
    file.write_text(re.sub(r"gateway-\d:8000", "127.0.0.1:8000", (DEPLOY / "nginx.conf").read_text()))
    options = ["-t", "-c", file, "-p", tmp_path, "-e", "stderr", "-g", f"pid {tmp_path}/nginx.pid;"]
    done = subprocess.run([program, *options], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


def test_nginx_lets_through_what_the_gateway_lets_through():
    """Its limit of a body is the gateway's."""
    megabytes = re.search(r"client_max_body_size (\d+)m;", (DEPLOY / "nginx.conf").read_text())
    assert megabytes is not None
    assert int(megabytes[1]) == loaded(DEPLOY / "gateway.toml").server.max_body_mb


def test_the_pods_drain(tmp_path: Path):
    """A pod is ready only while it takes requests, waits before it stops, and is not killed before the grace time."""
    (tmp_path / "gateway.toml").write_text(manifests()["ConfigMap"]["data"]["gateway.toml"])
    grace_s = loaded(tmp_path / "gateway.toml").server.grace_s
    pod = manifests()["Deployment"]["spec"]["template"]["spec"]
    pause_s = int(container()["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] > pause_s + grace_s + 5
    assert container()["readinessProbe"]["httpGet"]["path"] == "/health/ready"
    assert container()["livenessProbe"]["httpGet"]["path"] == "/health"
    assert pause_s >= container()["readinessProbe"]["periodSeconds"] * container()["readinessProbe"]["failureThreshold"]


def test_the_pods_are_several_and_may_do_little():
    """More than one replica, none of them root, no service links, and every path that is written to is a volume."""
    deployment = manifests()["Deployment"]["spec"]
    pod = deployment["template"]["spec"]
    assert deployment["replicas"] > 1
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}" == instruction("USER")
    assert pod["enableServiceLinks"] is False
    assert container()["securityContext"]["readOnlyRootFilesystem"] is True
    mounted = {mount["mountPath"] for mount in container()["volumeMounts"]}
    assert {"/tmp", container()["env"][0]["value"], "/etc/gateway"} == mounted
    assert {mount["name"] for mount in container()["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}


def test_the_manifests_name_each_other_correctly():
    """Selectors find the pods, the service finds the port, and no object is there twice."""
    found = manifests()
    assert sorted(found) == ["ConfigMap", "Deployment", "PodDisruptionBudget", "Service"]
    labels = found["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert found["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert found["Service"]["spec"]["selector"] == labels
    assert found["Service"]["spec"]["ports"][0]["targetPort"] in {port["name"] for port in container()["ports"]}


def probes() -> Iterator[str]:
    """The paths that whoever runs the gateway asks for."""
    yield from re.findall(r"http://127\.0\.0\.1:8000(/[\w/]+)", instruction("HEALTHCHECK"))
    yield from (container()[name]["httpGet"]["path"] for name in container() if name.endswith("Probe"))


def test_the_probes_ask_for_routes_that_are_there():
    """Both kinds: whether it is alive, and whether it takes requests."""
    assert set(probes()) == {"/health", "/health/ready"}
