"""The two walk-throughs of questions: which programs run, in which order."""

import os

from vlbert_tf import recipes
from vlbert_tf.walkthrough import programs
from vlbert_tf.walkthrough.asking import serve_and_ask
from vlbert_tf.walkthrough.steps import Step, Walk


def scenes(folder: str) -> None:
  """Scenes: with and without pre-training, served and asked.

  Args:
    folder: for everything that is written.
  """
  walk = Walk(folder)
  root = walk.folder
  data, records = root / 'data', root / 'records'
  captions, questions = records / 'scenes_captions', records / 'scenes_vqa'
  walk.run(
    programs.make_scenes(data, images=3000),
    programs.export('export detector', recipes.DETECTOR, root / 'detector'),
  )
  detector = f'--detector={root}/detector'
  half = max(1, (os.cpu_count() or 2) // 2)
  # Of so few images more time goes into the start of worker processes, which
  # load the detector again, than they save.
  in_one_process = [detector, '--direct_running_mode=in_memory']
  walk.run(
    programs.learn_vocabulary(
      root,
      1500,
      data / 'captions' / 'train.tsv',
      programs.questions_file(data, 'train'),
    ),
    programs.build_captions(
      data,
      records,
      'scenes_captions',
      [*in_one_process, '--keep=features'],
      half,
    ),
    # The picture at the end shows the images of questions.
    programs.build_questions(
      data, records, 'scenes_vqa', [*in_one_process, '--keep=both'], half
    ),
  )
  # Two runs of half the cores each do more than one of all after another.
  with walk.beside(programs.pretrain(root, captions, half, programs.FEATURES)):
    # Random weights want a larger rate than trained ones.
    settings = [*programs.FEATURES, 'trainer.learning_rate=0.001']
    walk.run(
      programs.train_vqa(
        'train without pre-training', 'vqa_only', root, questions, settings,
        threads=half,
      )
    )  # fmt: skip
    walk.run(
      programs.predict(
        'answer without pre-training', root, 'vqa_only', 'vqa_only'
      )
    )
  start = f'task.init_checkpoint={root}/pretraining'
  walk.run(
    programs.train_vqa(
      'fine-tune', 'vqa', root, questions, [*programs.FEATURES, start]
    )
  )
  walk.run(
    programs.predict('answer', root, 'vqa', 'ours', draw=True),
    programs.export('export', root / 'vqa', root / 'export', detector),
  )
  with walk.beside(
    programs.predict(
      'answer for swapped images', root, 'vqa', 'swapped', swap=True
    )
  ):
    serve_and_ask(root, data)


def easy_vqa(folder: str) -> None:
  """easy-VQA, a published data set: fine-tuning alone, on all of it.

  Args:
    folder: for everything that is written.
  """
  walk = Walk(folder)
  root = walk.folder
  data, records = root / 'data', root / 'records'
  walk.run(
    Step(
      'make data',
      'vlbert-make-scenes',
      ['--dataset=easy_vqa', f'--output_dir={data}'],
    )
  )
  walk.run(
    programs.learn_vocabulary(
      root, 200, programs.questions_file(data, 'train')
    ),
    programs.build_questions(data, records, 'easy_vqa'),
  )
  questions = records / 'easy_vqa'
  walk.run(
    programs.train_vqa(
      'train', 'vqa', root, questions, recipe='vqa/easy_vqa.yaml'
    )
  )
  walk.run(
    programs.predict('answer', root, 'vqa', 'ours', draw=True),
    programs.predict(
      'answer for swapped images', root, 'vqa', 'swapped', swap=True
    ),
  )
