"""What the package gives; each name is loaded when it is first used."""

from .base import BaseRecommender as BaseRecommender
from .best_of import BestOf as BestOf
from .ease import Ease as Ease
from .ease import EaseConfig as EaseConfig
from .fusion.concat import ConcatConfig as ConcatConfig
from .fusion.themes import ThemesConfig as ThemesConfig
from .imagined_scores import ImaginedScores as ImaginedScores
from .item_knn import ItemKnn as ItemKnn
from .item_knn import ItemKnnConfig as ItemKnnConfig
from .loading import load_recommender as load_recommender
from .losses import LossConfig as LossConfig
from .making import GraphOptions as GraphOptions
from .making import make_recommender as make_recommender
from .making import with_graphs as with_graphs
from .mix import Mix as Mix
from .mix import MixConfig as MixConfig
from .models.bert4rec import Bert4RecConfig as Bert4RecConfig
from .models.bsarec import BsaRecConfig as BsaRecConfig
from .models.cl4srec import Cl4SRecConfig as Cl4SRecConfig
from .models.duorec import DuoRecConfig as DuoRecConfig
from .models.fdsa import FdsaConfig as FdsaConfig
from .models.gru4rec import Gru4RecConfig as Gru4RecConfig
from .models.sasrec import SasRecConfig as SasRecConfig
from .objectives.cloze import ClozeConfig as ClozeConfig
from .objectives.contrastive import ContrastiveConfig as ContrastiveConfig
from .objectives.last_item import LastItemConfig as LastItemConfig
from .objectives.next_item import NextItemConfig as NextItemConfig
from .popularity import Popularity as Popularity
from .protocol import Query as Query
from .protocol import Recommender as Recommender
from .queries import Queries as Queries
from .recommend import (
    Recommendation as Recommendation,
)
from .recommend import (
    recommend_batch as recommend_batch,
)
from .recommend import (
    recommend_items as recommend_items,
)
from .recommend import (
    recommend_user as recommend_user,
)
from .registry import model_config as model_config
from .sequential import SequentialRecommender as SequentialRecommender
from .sequential_rules import SequentialRules as SequentialRules
from .sequential_rules import SequentialRulesConfig as SequentialRulesConfig
from .text_cosine import TextCosine as TextCosine
from .text_cosine import TextCosineConfig as TextCosineConfig
from .theme_scores import ThemeScores as ThemeScores
from .theme_scores import ThemeScoresConfig as ThemeScoresConfig
from .training import Epoch as Epoch
from .training import RunOptions as RunOptions
from .training import TrainingConfig as TrainingConfig
