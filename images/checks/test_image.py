"""The Dockerfile, build.sh, and the image: its real last stage, filled by assemble.sh with a program that is there.

The environment names hadolint (HADOLINT) and the program (PROGRAM, `alameda`, in which every step is). buildah builds;
the image runs without an engine, in a mount namespace.
"""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import tomllib
import unittest

import yaml

IMAGES = pathlib.Path(__file__).resolve().parent.parent
REPOSITORY = IMAGES.parent
DOCKERFILE = IMAGES / "step.Dockerfile"
STEPS = sorted(folder.name for folder in (REPOSITORY / "steps").iterdir() if folder.is_dir())
# Whoever is not root gets the user ids that an image needs from `buildah unshare`.
AS_ROOT = [] if os.geteuid() == 0 else ["buildah", "unshare"]


class Dockerfile(unittest.TestCase):
    def test_it_keeps_hadolint_s_rules(self):
        hadolint = [os.environ["HADOLINT"], "--no-color"]
        self.assertEqual("", subprocess.run([*hadolint, DOCKERFILE], capture_output=True, text=True).stdout)
        bad = subprocess.run(
            [*hadolint, "-"], input="FROM debian\nRUN cd /tmp && sudo ls\n", capture_output=True, text=True
        )
        self.assertIn("DL3006", bad.stdout)
        self.assertNotEqual(0, bad.returncode)

    def test_it_builds_every_step(self):
        self.assertEqual(STEPS, sorted(re.findall(r" -p (\S+)", (IMAGES / "compile.sh").read_text())))

    def test_the_tag_is_the_version(self):
        version = tomllib.loads((REPOSITORY / "Cargo.toml").read_text())["workspace"]["package"]["version"]
        named = yaml.safe_load((REPOSITORY / "workflows/platform/images/images.yaml").read_text())["data"]
        self.assertEqual(version, named["tag"])


class Build(unittest.TestCase):
    """build.sh, with a stand-in for the engine that writes down what it is told."""

    def told(self, *arguments):
        with tempfile.TemporaryDirectory() as folder:
            for engine, script in {
                "docker": "#!/bin/sh\nexit 1\n",
                "podman": f'#!/bin/sh\necho "$*" >> {folder}/told\n',
            }.items():
                path = pathlib.Path(folder, engine)
                path.write_text(script)
                path.chmod(0o755)
            environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
            subprocess.run([IMAGES / "build.sh", *arguments], env=environment, check=True, capture_output=True)
            return [line for line in pathlib.Path(folder, "told").read_text().splitlines() if line.startswith("build ")]

    def test_it_builds_every_step_with_the_tag_of_the_workflows(self):
        named = yaml.safe_load((REPOSITORY / "workflows/platform/images/images.yaml").read_text())["data"]
        for step, line in zip(STEPS, self.told(), strict=True):
            self.assertIn(f"--build-arg STEP={step} ", line)
            self.assertIn(f"--tag {named['registry']}/{step}:{named['tag']} ", line)
            self.assertIn(f"--label org.opencontainers.image.version={named['tag']} ", line)

    def test_registry_and_tag_can_be_given(self):
        for step, line in zip(STEPS, self.told("registry.example:5000/ml", "1.2.3"), strict=True):
            self.assertIn(f"--tag registry.example:5000/ml/{step}:1.2.3 ", line)


class Image(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp())
        cls.addClassCleanup(cls.remove)
        cls.program = pathlib.Path(os.environ["PROGRAM"])
        cls.buildah = [
            *AS_ROOT,
            "buildah",
            "--root",
            f"{cls.folder}/store",
            "--runroot",
            f"{cls.folder}/run",
            "--storage-driver",
            "vfs",
        ]
        name = cls.program.name
        subprocess.run([IMAGES / "assemble.sh", cls.program, cls.folder / "context/image" / name], check=True)
        cls.image = "localhost/alameda/under-test"
        cls.run_buildah(
            "build",
            "--isolation",
            "chroot",
            "--file",
            str(DOCKERFILE),
            "--build-context",
            f"build={cls.folder}/context",
            "--build-arg",
            f"STEP={name}",
            "--tag",
            cls.image,
            str(REPOSITORY / "images"),
        )
        cls.container = cls.run_buildah("from", cls.image)
        cls.files = {
            path.relative_to(cls.folder / "context/image" / name)
            for path in (cls.folder / "context/image" / name).rglob("*")
            if path.is_file()
        }

    @classmethod
    def remove(cls):
        subprocess.run([*AS_ROOT, "rm", "-rf", cls.folder], check=True)

    @classmethod
    def run_buildah(cls, *arguments):
        done = subprocess.run([*cls.buildah, *arguments], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"buildah {' '.join(arguments)}: {done.stderr}")
        return done.stdout.strip()

    def in_image(self, command, uid):
        """Runs a shell line's words in the image, as any user: a read-only root, and /work and /tmp to write to."""
        script = f"""
            set -e
            root="$({" ".join(self.buildah[len(AS_ROOT) :])} mount {self.container})"
            mount --bind "$root" "$root"
            mkdir -p "$root/proc" "$root/dev"
            mount --rbind /proc "$root/proc"
            mount --rbind /dev "$root/dev"
            mount -t tmpfs -o mode=1777 work "$root/work"
            mount -t tmpfs -o mode=1777 tmp "$root/tmp"
            mount -o remount,ro,bind "$root"
            ! touch "$root/written" 2> /dev/null
            cd /
            exec env -i PATH=/usr/local/bin MALLOC_ARENA_MAX=2 HOME=/work \\
                "$(command -v chroot)" --userspec={uid}:0 --groups= "$root" {command}
        """
        return subprocess.run([*AS_ROOT, "unshare", "--mount", "sh", "-c", script], capture_output=True, text=True)

    def test_its_configuration(self):
        config = json.loads(self.run_buildah("inspect", "--type", "image", self.image))["OCIv1"]["config"]
        self.assertEqual("8737:8737", config["User"])
        self.assertEqual("/work", config["WorkingDir"])
        # Argo gives the command.
        self.assertNotIn("Entrypoint", config)
        self.assertEqual(f"alameda/{self.program.name}", config["Labels"]["org.opencontainers.image.title"])
        self.assertEqual("Apache-2.0", config["Labels"]["org.opencontainers.image.licenses"])

    def test_it_holds_the_program_its_libraries_and_certificates_alone(self):
        others = {
            str(file)
            for file in self.files
            if not re.fullmatch(r"(usr/)?lib(64)?/([\w-]+/)?(lib[\w-]+|ld-linux[\w-]*)\.so\.\d", str(file))
        }
        self.assertEqual(
            {f"usr/local/bin/{self.program.name}", "etc/passwd", "etc/group", "etc/ssl/certs/ca-certificates.crt"},
            others,
        )

    def test_every_step_runs_as_any_user_with_a_read_only_root(self):
        for uid in (8737, 1000650000 if not AS_ROOT else 12345):
            with self.subTest(uid=uid):
                done = self.in_image(f"{self.program.name} demo --home /work/home", uid)
                self.assertEqual(0, done.returncode, done.stderr)
                self.assertIn("drift verdict", done.stdout)

    def test_nothing_is_written_elsewhere(self):
        done = self.in_image(f"{self.program.name} demo --home /home", 8737)
        self.assertNotEqual(0, done.returncode)
        self.assertRegex(done.stderr, "Read-only file system|Permission denied")

    def test_a_library_that_is_missing_would_be_found(self):
        library = next(file for file in self.files if file.name.startswith("libgcc_s"))
        broken = self.run_buildah("from", self.image)
        # An empty file in its place.
        empty = self.folder / "empty"
        empty.touch()
        self.run_buildah("copy", broken, str(empty), f"/{library}")
        container, self.container = self.container, broken
        try:
            done = self.in_image(f"{self.program.name} --help", 8737)
        finally:
            self.container = container
        self.assertIn("libgcc_s", done.stderr)


if __name__ == "__main__":
    unittest.main()
