"""What a tutorial would train: one window per item, torch's own layers, 100 epochs, no stopping."""

import numpy as np
import torch
from tests.benchmarks.series import Array
from torch import nn
from torch.utils.data import DataLoader, Dataset

SEQUENCE_LENGTH, BATCH_SIZE, N_EPOCHS = 24, 32, 100
NUM_LAYERS = 2  # ours has as many where it is compared with this one


class Windows(Dataset):
    """The window that ends with each row, and the row's target."""

    def __init__(self, features: Array, targets: Array) -> None:
        self.features, self.targets = torch.from_numpy(features), torch.from_numpy(targets)

    def __len__(self) -> int:
        return len(self.features) - SEQUENCE_LENGTH + 1

    def __getitem__(self, item: int) -> tuple[torch.Tensor, torch.Tensor]:
        last = item + SEQUENCE_LENGTH
        return self.features[item:last], self.targets[last - 1 : last]


class Network(nn.Module):
    def __init__(self, n_features: int, cell_type: str) -> None:
        super().__init__()
        cell = {"lstm": nn.LSTM, "gru": nn.GRU}[cell_type]
        self.recurrent = cell(n_features, 128, NUM_LAYERS, dropout=0.2, batch_first=True)
        self.head = nn.Sequential(nn.Linear(128, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 1))

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        prediction: torch.Tensor = self.head(self.recurrent(windows)[0][:, -1])
        return prediction


class Training:
    """Trains epoch by epoch, so that its epochs can be timed and its losses watched."""

    def __init__(self, features: Array, targets: Array, cell_type: str, seed: int) -> None:
        torch.manual_seed(seed)
        self.network = Network(features.shape[1], cell_type)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=1e-3)
        self.batches = DataLoader(Windows(features, targets), BATCH_SIZE, shuffle=True)

    def epoch(self) -> None:
        self.network.train()
        for windows, targets in self.batches:
            loss = nn.functional.mse_loss(self.network(windows), targets)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()

    def loss(self, features: Array, targets: Array) -> float:
        """Mean squared error on other rows, those before the first target being context."""
        self.network.eval()
        windows = Windows(features, targets)
        with torch.inference_mode():
            predicted = [self.network(batch) for batch, _ in DataLoader(windows, 256)]
        errors = torch.cat(predicted)[:, 0].numpy() - targets[SEQUENCE_LENGTH - 1 :]
        return float(np.square(errors).mean())
