"""What the package gives; each name is loaded when it is first used."""

from .dataset import Catalogue as Catalogue
from .dataset import Dataset as Dataset
from .dataset import LoadReport as LoadReport
from .demo_set import load_demo as load_demo
from .demo_set import load_truth as load_truth
from .opinions import Opinion as Opinion
from .registry import find as find
from .registry import get as get
from .registry import known_sets as known_sets
from .registry import load_data as load_data
from .registry import terms as terms
from .splits import Split as Split
from .successors import Successors as Successors
from .summary import DatasetSummary as DatasetSummary
from .summary import inspect as inspect
from .truth import PlantedStep as PlantedStep
