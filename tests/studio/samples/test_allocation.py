"""Memory by device, from the lines of llama-server's log."""

from __future__ import annotations

from llm_studio.engines.logs import parse
from llm_studio.schema import DeviceSplit
from llm_studio.studio.samples.allocation import MOST, Allocation

MiB = 1 << 20
TWO_GPUS = """\
0.00.101 I srv    load_model: loading model '/m/x.gguf'
0.00.102 I common_params_fit: fitting params to device memory
0.00.200 I load_tensors:        CUDA0 model buffer size =  9999.00 MiB
0.00.900 I srv    load_model: loading model '/m/x.gguf'
0.01.000 I load_tensors:   CPU_Mapped model buffer size =   512.00 MiB
0.01.001 I load_tensors:        CUDA0 model buffer size = 10240.50 MiB
0.01.001 I load_tensors:        CUDA1 model buffer size =  5120.00 MiB
0.02.000 I llama_kv_cache:      CUDA0 KV buffer size =  2048.00 MiB
0.02.000 I llama_kv_cache:      CUDA1 KV buffer size =  1024.00 MiB
0.02.100 I llama_memory_recurrent: CUDA1 RS buffer size = 16.00 MiB
0.02.200 I llama_context:  CUDA_Host  output buffer size =     1.00 MiB
0.02.300 I sched_reserve:      CUDA0 compute buffer size =   300.00 MiB
0.02.300 I sched_reserve:  CUDA_Host compute buffer size =    20.00 MiB
"""
TABLE = """\
0.00.005 I common_memory_breakdown_print: | memory breakdown [MiB] | total   free    self   model   context   compute    unaccounted |
0.00.005 I common_memory_breakdown_print: |   - CUDA0 (RTX 4090)   | 24090 = 1200 + (21000 = 16000 + 4000 + 1000) + 1890 |
0.00.005 I common_memory_breakdown_print: |   - Host               |                  194 =     1 +      64 +     129                |
"""  # noqa: E501


def told(log: str) -> dict[str, DeviceSplit]:
    allocation = Allocation()
    for line in log.splitlines():
        allocation.take(parse(line))
    return {split.device: split for split in allocation.devices}


def test_buffers_add_up_by_device_and_what_was_only_tried_does_not_count() -> None:
    found = told(TWO_GPUS)
    assert list(found) == ["Host", "CUDA0", "CUDA1"]
    assert found["CUDA0"] == DeviceSplit(
        device="CUDA0", weights=int(10240.5 * MiB), context=2048 * MiB, compute=300 * MiB
    )
    assert found["CUDA1"].context == 1040 * MiB
    assert (found["Host"].weights, found["Host"].compute) == (512 * MiB, 21 * MiB)


def test_a_table_stands_in_where_no_buffers_are_told() -> None:
    found = told(TABLE)
    assert found["CUDA0"].weights == 16000 * MiB
    assert (found["Host"].context, found["Host"].compute) == (64 * MiB, 129 * MiB)
    assert told(TABLE + TWO_GPUS) == told(TWO_GPUS)
    assert told(TABLE + TABLE) == found


def test_a_mapped_device_is_the_device() -> None:
    assert list(told("I x: Metal_Mapped model buffer size = 5.00 MiB")) == ["Metal"]


def test_a_log_that_lies_takes_no_memory_of_ours() -> None:
    lines = [f"I x: D{number} model buffer size = 1.00 MiB" for number in range(1000)]
    assert len(told("\n".join(lines))) == MOST
    assert told("I x: CUDA0 model buffer size = nan MiB")["CUDA0"].weights == 0
