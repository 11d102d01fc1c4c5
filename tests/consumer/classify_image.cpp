// All that a program needs to classify images: classify_image MODEL_DIRECTORY IMAGE_FILE
#include <iostream>

#include <qe/image_classifier.h>

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  auto classifier = qe::ImageClassifier::open(argv[1]);
  const auto answer = classifier.classify(argv[2]);
  const float probability = answer.probabilities[answer.label];
  std::cout << classifier.labels()[answer.label] << ' ' << probability << '\n';
}
