"""The loop itself: epochs of steps, with checkpoints, reports and validation in between."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch.utils.data import DataLoader

from manifests.atomic import write_text
from training.loop.build import build_state, chosen_algorithms, connect
from training.loop.data import TrainingData, open_data
from training.loop.distributed import World
from training.loop.interruption import StopFlag, stop_on_signals
from training.loop.loading import TrainingLoader, make_training_loader, make_validation_loader
from training.loop.observers import EpochResult, Observer, Observers, TrainingPlan
from training.loop.training_state import (
    LAST_NAME,
    NETWORK_NAME,
    TrainingState,
    load_state,
    save_network,
    save_state,
)
from training.loop.validation import choose_val_classes, validate
from training.loop.window import Window
from training.manifest_dataset import Batch
from training.recipe import Recipe
from training.recipe_file import dump_recipe

RECIPE_NAME = "recipe.yaml"


@dataclass(frozen=True)
class TrainingResult:
    """How a training ended.

    Attributes:
        history: the epochs that are over.
        step: steps done since the very start.
        is_finished: False if a signal stopped it; the same call goes on.
    """

    history: tuple[EpochResult, ...]
    step: int
    is_finished: bool


def train(
    recipe: Recipe, out: Path, world: World, observers: Sequence[Observer] = ()
) -> TrainingResult:
    """Train a network, or go on with a training that was stopped.

    Args:
        recipe: of the training.
        out: folder for `last.pt`, `network.pt`, `recipe.yaml`; of the main process alone.
        world: the processes; each of them makes this call.
        observers: told what happens, in the main process.

    Raises:
        InputError: the data are not fit to train on, or `out` holds another training.
        ValueError: settings contradict each other.
        FloatingPointError: the loss is no number any more.
    """
    per_process = recipe.batch_size // world.size
    recipe.loss.check_batches(per_process, recipe.batches.images_per_class)
    data = open_data(recipe.data)
    with chosen_algorithms(deterministic=recipe.deterministic), stop_on_signals() as stop:
        return _Trainer(recipe, out, world, data, Observers(observers), stop).run()


class _Trainer:
    """The parts of a running training, wired up."""

    def __init__(
        self,
        recipe: Recipe,
        out: Path,
        world: World,
        data: TrainingData,
        observers: Observers,
        stop: StopFlag,
    ) -> None:
        self._recipe, self._out, self._world, self._data = recipe, out, world, data
        self._observers, self._stop = observers, stop
        self._loader: TrainingLoader = make_training_loader(data.train, recipe, world)
        self._steps_per_epoch = self._loader.sampler.steps_per_epoch
        self._val_loader = self._make_val_loader()
        self._state = self._build_state()

    def run(self) -> TrainingResult:
        """Train to the end, or until a signal."""
        self._begin()
        state, is_stopped = self._state, False
        while state.epoch < self._recipe.epochs and not is_stopped:
            is_stopped = self._run_epoch()
            if not is_stopped:
                self._end_epoch()
            self._save()
        return TrainingResult(tuple(state.history), self._step, not is_stopped)

    @property
    def _step(self) -> int:
        """Steps done since the very start."""
        return self._state.epoch * self._steps_per_epoch + self._state.step_in_epoch

    def _make_val_loader(self) -> DataLoader[Batch] | None:
        images = choose_val_classes(self._data.val, self._recipe.validation.max_images)
        return make_validation_loader(images, self._recipe, self._world) if len(images) else None

    def _build_state(self) -> TrainingState:
        recipe, world = self._recipe, self._world
        state = build_state(recipe, self._data.num_classes, self._steps_per_epoch, world)
        last = self._out / LAST_NAME
        if last.exists():
            load_state(last, state, recipe, self._data.digest, world)
        state.stepper = replace(state.stepper, model=connect(state.model, world))
        return state

    def _begin(self) -> None:
        world = self._world
        if not world.is_main:
            return
        write_text(self._out / RECIPE_NAME, dump_recipe(self._recipe))
        self._observers.start(
            TrainingPlan(
                num_images=len(self._data.train),
                num_classes=self._data.num_classes,
                num_epochs=self._recipe.epochs,
                steps_per_epoch=self._steps_per_epoch,
                first_step=self._step,
                num_processes=world.size,
                device=str(world.device),
                is_certified=self._data.is_certified,
            )
        )

    def _run_epoch(self) -> bool:
        """Train what is left of the current epoch; return whether to stop."""
        state, recipe = self._state, self._recipe
        window = Window(self._loader, self._world)
        for batch in self._loader.iterate(state.epoch, state.step_in_epoch):
            if self._world.is_main and state.step_in_epoch == 0:
                self._observers.see_images(self._step, batch.images)
            self._take_step(batch, window)
            if self._step % recipe.log_every_steps == 0:
                self._report(window)
            if self._world.any(self._stop.is_set):
                return True
            if self._is_checkpoint_due():
                self._save()
        return False

    def _is_checkpoint_due(self) -> bool:
        """Whether to write the state; the end of an epoch does so anyway, after validation."""
        done = self._state.step_in_epoch
        return done % self._recipe.checkpoints.every_steps == 0 and done < self._steps_per_epoch

    def _take_step(self, batch: Batch, window: Window) -> None:
        state = self._state
        loss = state.stepper.take(batch)
        if state.average is not None:
            state.average.update_parameters(state.model.network)
        state.loss_sum += loss
        state.step_in_epoch += 1
        window.add(loss, len(batch))
        if self._world.is_main:
            self._observers.advance(self._step)

    def _report(self, window: Window) -> None:
        learning_rate = float(self._state.stepper.schedule.get_last_lr()[0])
        report = window.close(self._step, self._state.epoch, learning_rate)
        if self._world.is_main:
            self._observers.report(report)

    def _end_epoch(self) -> None:
        state, recipe = self._state, self._recipe
        mean_loss = self._world.mean(float(state.loss_sum) / max(1, state.step_in_epoch))
        result = EpochResult(epoch=state.epoch, step=self._step, loss=mean_loss)
        number = state.epoch + 1
        if number % recipe.validation.every_epochs == 0 or number == recipe.epochs:
            result = self._validate(result)
        state.history.append(result)
        state.epoch, state.step_in_epoch = number, 0
        state.loss_sum.zero_()
        if self._world.is_main:
            self._publish(number)
            self._observers.end_epoch(result)

    def _validate(self, result: EpochResult) -> EpochResult:
        if self._val_loader is None:
            return result
        scores = validate(
            self._state.published_network,
            self._state.model.objective,
            self._val_loader,
            self._world,
            precision=self._recipe.precision,
            skip_broken=self._recipe.data.skip_broken,
        )
        return result.model_copy(
            update={
                "accuracy": scores.accuracy,
                "mean_average_precision": scores.mean_average_precision,
            }
        )

    def _publish(self, number: int) -> None:
        every = self._recipe.checkpoints.keep_every_epochs
        save_network(self._out / NETWORK_NAME, self._state)
        if every is not None and number % every == 0:
            save_network(self._out / "networks" / f"epoch_{number:03d}.pt", self._state)

    def _save(self) -> None:
        path = self._out / LAST_NAME
        save_state(path, self._state, self._recipe, self._data.digest, self._world)
