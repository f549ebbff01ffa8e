"""What puts traffic on topics: publisher, replay of archived logs, workload generator, imports."""

if __name__ != "dualgate.producers":
    raise ImportError("import dualgate.producers, not producers: two copies of a module do not share their classes")

from dualgate.producers.mirror_buffer import PublisherCounts
from dualgate.producers.publisher import Publisher

__all__ = ["Publisher", "PublisherCounts"]
