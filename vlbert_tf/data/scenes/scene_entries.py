"""What official files say of one scene: COCO's instances, VQA's questions."""

import numpy as np

from vlbert_tf.data.scenes import official_files
from vlbert_tf.data.scenes.answers import human_answers, most_frequent
from vlbert_tf.data.scenes.questions import ask_questions
from vlbert_tf.data.scenes.world import CATEGORIES, Scene, category

Entry = dict[str, object]

_QUESTIONS_STRIDE = 1000  # VQA's own: question id = image id * 1000 + number
_OBJECTS_STRIDE = 100


def instance_entries(scene: Scene, image_id: int) -> list[Entry]:
  """Elements of COCO's `annotations`, one an object."""
  return [
    official_files.instance_entry(
      image_id * _OBJECTS_STRIDE + number,
      image_id,
      CATEGORIES.index(category(each)) + 1,
      each.box,
      each.area,
    )
    for number, each in enumerate(scene.objects)
  ]


def vqa_entries(
  scene: Scene,
  image_id: int,
  words: np.random.Generator,
  people: np.random.Generator,
) -> tuple[list[Entry], list[Entry]]:
  """Asks about a scene, and lets people answer.

  Args:
    scene: what is asked about.
    image_id: of its image.
    words: picks questions and words.
    people: picks what people answer.

  Returns:
    Elements of VQA's `questions` and of its `annotations`.
  """
  questions, annotations = [], []
  for number, each in enumerate(ask_questions(scene, words)):
    question_id = image_id * _QUESTIONS_STRIDE + number
    answers = human_answers(each, people)
    questions.append(
      {
        'image_id': image_id,
        'question': each.text,
        'question_id': question_id,
      }
    )
    annotations.append(
      {
        'question_type': each.question_type,
        'multiple_choice_answer': most_frequent(answers),
        'answers': answers,
        'image_id': image_id,
        'answer_type': each.answer_type,
        'question_id': question_id,
      }
    )
  return questions, annotations
