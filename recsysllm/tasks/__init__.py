"""The families of tasks: from a user's history and opinions to prompts with answers."""

from llmrg.recsysllm.config import Family
from llmrg.recsysllm.tasks.direct import Direct
from llmrg.recsysllm.tasks.explanation import Explanation
from llmrg.recsysllm.tasks.protocol import Task
from llmrg.recsysllm.tasks.rating import Rating
from llmrg.recsysllm.tasks.review import Review
from llmrg.recsysllm.tasks.sequential import Sequential

TASKS: dict[Family, Task] = {task.family: task for task in (Rating(), Sequential(), Explanation(), Review(), Direct())}
"""By family; what is put here is found by its name in `RecSysLlmConfig.families`."""
