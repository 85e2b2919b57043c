#!/usr/bin/env bash
# Ray Data in one process, one cluster after another, with ray.shutdown() in between: one would guess that each run works.
# Ray 2.60.0: after a run on a local cluster, a run on a cluster that was used before dies with ActorDiedError ("all
# references to the actor were removed", "it was cancelled before it started running"), though the cluster is well.
# Source: https://docs.ray.io/en/latest/ray-core/starting-ray.html (ray.shutdown ends a connection), and the run below.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "ray[data]==2.60.0"
cat > "$folder/runs.py" <<'PYTHON'
import logging
import ray
from ray.cluster_utils import Cluster


class Add:
    def __call__(self, batch):
        return {"id": batch["id"] + 1}


def run():
    pool = ray.data.ActorPoolStrategy(size=1)
    return sorted(row["id"] for row in ray.data.range(4).map_batches(Add, compute=pool).iter_rows())


quiet = {"logging_level": logging.ERROR, "log_to_driver": False}
print("ray", ray.__version__)
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 4})
ray.init(cluster.address, **quiet)
print("on the cluster:", run())
ray.shutdown()
ray.init("local", num_cpus=2, include_dashboard=False, **quiet)
print("on a local one:", run())
ray.shutdown()
ray.init(cluster.address, **quiet)
try:
    print("on the cluster again:", run())
except ray.exceptions.ActorDiedError as error:
    print("on the cluster again: ActorDiedError:", "cancelled before it started" in str(error))
else:
    raise SystemExit("the third run works now")
PYTHON
RAY_USAGE_STATS_ENABLED=0 "$folder/venv/bin/python" "$folder/runs.py" 2> "$folder/errors" | tee "$folder/output" || true
grep -q "on the cluster again: ActorDiedError: True" "$folder/output"
