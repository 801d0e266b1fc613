"""rust_project.py OUT ROOT CHECKOUT: prints the rust-project.json that the kernel's build left in OUT, with the module's own
crate, and with the paths of the build root ROOT as the editor outside of it sees them."""

import json
import sys
from pathlib import Path

out, root, checkout = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
project = json.loads((out / "rust-project.json").read_text())


def outside(path: str) -> str:
    """A path of the build root's Debian as it is outside; the others are the same on both sides."""
    return root + path if Path(path).parts[:2] == ("/", "usr") else path


crates = project["crates"]
for crate in crates:
    crate["root_module"] = outside(crate["root_module"])
project["sysroot"] = outside(project["sysroot"])

# What scripts/Makefile.build in the kernel gives every module.
names = ("core", "kernel", "pin_init", "zerocopy", "zerocopy_derive")
index = {crate["display_name"]: number for number, crate in enumerate(crates)}
kernel = crates[index["kernel"]]
crates.append(
    {
        "display_name": "iscsi_init",
        "root_module": str(checkout / "src/iscsi_init.rs"),
        "is_workspace_member": True,
        "is_proc_macro": False,
        "edition": "2021",
        "deps": [{"crate": index[name], "name": name} for name in names],
        "cfg": kernel["cfg"],
        "env": {
            "RUST_MODFILE": "iscsi_init",
            "ISCSI_INIT_BINDINGS": str(out / "src/linux/bindings_generated.rs"),
        },
        # So that the generated bindings, which lie outside of src, are read too.
        "source": {"include_dirs": [str(checkout / "src"), str(out / "src/linux")], "exclude_dirs": []},
    }
)
json.dump(project, sys.stdout, indent=4)
