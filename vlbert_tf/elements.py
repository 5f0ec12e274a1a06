"""The glossary: names, shapes and dtypes of the model's inputs and outputs.

The input pipeline, the tasks, the exporter and the tests all take the names
from here, so that a misspelt key fails at import and not after an epoch.

Letters: B batch, T text elements with their [CLS], [SEP] and [MASK], R RoIs
(the whole image not counted), S = T + R + 1 with [END], D hidden size,
M masked words, K answer classes, A size of an appearance vector. The sequence
that the encoder reads is `text [T] | RoIs [R] | [END]`, each part padded on
its right. Where G texts share each image, what belongs to images and RoIs has
B / G rows.
"""

# Inputs of every task.
WORD_IDS = 'word_ids'  # int32 [B, T]
WORD_MASK = 'word_mask'  # bool [B, T], True where real
SEGMENT_IDS = 'segment_ids'  # int32 [B, T], 0 first sentence, 1 second
# int32 [B, T], the RoI whose visual feature a word takes: k is RoI k - 1, 0 is
# the whole image. May be absent: then all words take the whole image's.
WORD_ROI_INDEX = 'word_roi_index'
IMAGE = 'image'  # float32 [B, H, W, 3], RGB 0-255, zero beyond image_size
IMAGE_SIZE = 'image_size'  # float32 [B, 2], height and width in pixels
BOXES = 'boxes'  # float32 [B, R, 4], pixels of `image`, zero in padding
ROI_MASK = 'roi_mask'  # bool [B, R], True where real
ROI_MASKED = 'roi_masked'  # bool [B, R], True where the RoI is hidden

# What is known of RoIs; may be absent.
# int32 [B, R, M], attributes of each RoI from 1 on, 0 in padding.
ROI_ATTRIBUTES = 'roi_attributes'
# int32 and float32 [B, R, K], the likeliest categories of a detector, 0 is
# background, and how probable they are; zero in padding.
ROI_TOP_CATEGORIES = 'roi_top_categories'
ROI_TOP_PROBABILITIES = 'roi_top_probabilities'

# In place of IMAGE where appearance was computed beforehand.
APPEARANCE = 'appearance'  # float32 [B, R, A], of the RoIs, zero in padding
IMAGE_APPEARANCE = 'image_appearance'  # float32 [B, A], of the whole image

# Where RoIs have outlines (VCR); may be absent.
ROI_CELL_MASKS = 'roi_cell_masks'  # float32 [B, R, s, s], on RoIAlign's bins

# Of every task.
EXAMPLE_ID = 'example_id'  # string [B]
EXAMPLE_WEIGHT = 'example_weight'  # float32 [B], 0 for rows that fill a batch

# Labels of pre-training (VL-BERT §3.3).
MASKED_POSITIONS = 'masked_positions'  # int32 [B, M], places in the text
MASKED_WORD_IDS = 'masked_word_ids'  # int32 [B, M], the hidden words
MASKED_WORD_WEIGHTS = 'masked_word_weights'  # float32 [B, M], 1 where real
ROI_CATEGORIES = 'roi_categories'  # int32 [B, R], 0 is background
ROI_NAMED = 'roi_named'  # bool [B, R], True where the category is asked for
RELATED = 'related'  # float32 [B], 1 when the caption is the image's own

# Labels of visual question answering (VL-BERT §3.4).
ANSWER_POSITION = 'answer_position'  # int32 [B], place of [MASK] in the text
ANSWER_LABEL = 'answer_label'  # int32 [B], -1 when outside the vocabulary
ANSWER_SCORES = 'answer_scores'  # float32 [B, K], soft scores of the answers

# Labels of referring expressions (VL-BERT §3.4).
TARGET_BOX = 'target_box'  # float32 [B, 4], pixels of `image`

# Labels of multiple choice; four texts, one a candidate, stand side by side.
CANDIDATE_LABEL = 'candidate_label'  # int32 [B / 4], -1 when not public

# Outputs of the heads, all float32.
RELATIONSHIP_LOGITS = 'relationship_logits'  # [B]
MASKED_WORD_LOGITS = 'masked_word_logits'  # [B, M, V]
ROI_CATEGORY_LOGITS = 'roi_category_logits'  # [B, R, C + 1]
VISIBLE_ROI_LOGITS = 'visible_roi_logits'  # [B, R, C + 1], of what is seen
ANSWER_LOGITS = 'answer_logits'  # [B, K]
ANSWER_ATTENTION = 'answer_attention'  # [B, R], of [MASK] over the RoIs
ROI_LOGITS = 'roi_logits'  # [B, R]
CANDIDATE_LOGITS = 'candidate_logits'  # [B / 4, 4]

# Segment ids (VL-BERT §3.2, fig. 1).
SEGMENT_A = 0
SEGMENT_B = 1
SEGMENT_C = 2
